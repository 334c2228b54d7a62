"""What normalisation clips of a robot's data and what that costs."""

from typing import Any

from polymath.data.robots.relative import delta_line
from polymath.data.robots.statistics import Statistics
from polymath.types import Embodiment


def clipping_report(statistics: Statistics, robot: Embodiment) -> list[dict[str, Any]]:
    """One row a dimension, states first.

    field: state or action; dimension: its name; unit: "" if unknown; scaled_by: what scales it; share: of the values
    that are clipped; largest_error and mean_error of those, in the robot's own units. The last three are None for
    statistics that were made without them.
    """
    conventions = robot.conventions
    rows = []
    for field, names, units, scaling, clipping in (
        (
            "state",
            robot.state_names,
            conventions.state_units if conventions else (),
            statistics.state_scaling(),
            statistics.state_clipping,
        ),
        (
            "action",
            robot.action_names,
            conventions.action_units if conventions else (),
            statistics.action_scaling(robot.gripper_dims),
            statistics.action_clipping,
        ),
    ):
        for i, name in enumerate(names):
            rows.append(
                {
                    "field": field,
                    "dimension": name,
                    "unit": units[i] if i < len(units) else "",
                    "scaled_by": scaling.rule[i],
                    "share": clipping.share[i] if clipping else None,
                    "largest_error": clipping.largest[i] if clipping else None,
                    "mean_error": clipping.mean[i] if clipping else None,
                }
            )
    return rows


def statistics_lines(statistics: Statistics, robot: Embodiment) -> list[str]:
    """Which actions are deltas, if some are, and the lines of what is clipped."""
    deltas = [delta_line(robot, statistics.subtracted)] if statistics.subtracted else []
    return [*deltas, *clipping_lines(statistics, robot)]


def clipping_lines(statistics: Statistics, robot: Embodiment) -> list[str]:
    """One line for each dimension of which something is clipped."""
    return [
        f"{row['field']} {row['dimension']!r}: {row['share']:.2%} of the values are clipped, by at most "
        f"{row['largest_error']:.3g} and {row['mean_error']:.3g} in the mean{_unit(row['unit'])}"
        for row in clipping_report(statistics, robot)
        if row["share"]
    ]


def _unit(unit: str) -> str:
    return f" [{unit}]" if unit not in ("", "1") else ""
