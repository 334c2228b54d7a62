"""The report of what is clipped: one row a dimension, in the robot's own units."""

from dataclasses import replace

import numpy as np
import pytest

from polymath.data.robots.clipping import clipping_lines, clipping_report
from polymath.data.robots.statistics import RobotAccumulator
from polymath.types import Conventions, Embodiment

CONVENTIONS = Conventions((), ("m",), ("m", "1"), "pose delta", "none", "base", "-1 closed 1 open")
ROBOT = Embodiment("arm", 0, (), ("x",), ("dx", "grip"), (1,), 10.0, conventions=CONVENTIONS)


def test_every_dimension_has_a_row() -> None:
    """20 of 2,000 displacements are 2 m, the others lie in ±1 m: 1.5 half ranges of about 1 m can be told."""
    moves = np.concatenate([np.linspace(-1, 1, 1980), np.full(10, 2.0), np.full(10, -2.0)])
    total = RobotAccumulator(ROBOT)
    total.add(np.zeros((2000, 1)), np.stack([moves, np.sign(moves)], axis=1), "set")
    statistics = total.result()
    state, displacement, gripper = clipping_report(statistics, ROBOT)
    assert (state["field"], state["dimension"], state["scaled_by"], state["share"]) == ("state", "x", "constant", 0)
    assert (gripper["dimension"], gripper["scaled_by"], gripper["share"]) == ("grip", "unchanged", 0)
    assert displacement["unit"] == "m"
    assert displacement["share"] == pytest.approx(0.01)
    assert displacement["largest_error"] == pytest.approx(2 - 1.5 * statistics.action.q99[0], rel=0.02)
    (line,) = clipping_lines(statistics, ROBOT)
    assert line.startswith("action 'dx': 1.00% of the values are clipped, by at most 0.5")
    assert line.endswith(" in the mean [m]")


def test_older_statistics_report_nothing() -> None:
    total = RobotAccumulator(ROBOT)
    total.add(np.zeros((2, 1)), np.zeros((2, 2)), "set")
    older = replace(total.result(), state_clipping=None, action_clipping=None)
    assert clipping_lines(older, replace(ROBOT, conventions=None)) == []
    assert {row["share"] for row in clipping_report(older, ROBOT)} == {None}
