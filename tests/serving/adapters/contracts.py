"""Contracts of runs that nothing has trained: the robots of the tables, with statistics of a unit interval."""

from pathlib import Path
from typing import Any

from polymath.data.robots.statistics import FieldStatistics, Statistics
from polymath.policy.contract import Contract
from polymath.presets.demo import TINY
from polymath.training.run import DataRecord, Run
from polymath.types import Embodiment

SO_JOINTS = (
    "shoulder_pan.pos",
    "shoulder_lift.pos",
    "elbow_flex.pos",
    "wrist_flex.pos",
    "wrist_roll.pos",
    "gripper.pos",
)
SO101 = Embodiment(  # as `polymath.data.formats.lerobot` derives it of a data set, which says no conventions
    "so101_follower", 0, ("front", "wrist"), SO_JOINTS, SO_JOINTS, (), 30.0, "as recorded", "as recorded"
)


def field(width: int, high: float = 1.0) -> FieldStatistics:
    ends = (-high,) * width, (0.0,) * width, (high,) * width
    return FieldStatistics(9, ends[1], (0.5,) * width, ends[0], ends[2], ends[0], ends[0], ends[1], ends[2], ends[2])


def run_of(robot: Embodiment, high: float = 1.0) -> Run:
    """A run directory that exists nowhere; its contract needs no tokenizer."""
    statistics = Statistics(field(robot.state_dim, high), field(robot.action_dim, high))
    tokenizer: Any = None
    return Run(Path("nowhere"), TINY, tokenizer, robot, statistics, DataRecord((), ()))


def contract_of(robot: Embodiment, high: float = 1.0) -> Contract:
    return Contract.of(run_of(robot, high))
