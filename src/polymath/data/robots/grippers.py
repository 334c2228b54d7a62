"""Grippers told from joints, in sets whose robot is described and in sets that only name their dimensions."""

from polymath.types import Embodiment

GRIPPER_WORDS = ("grip", "opening", "closed", "finger", "claw", "jaw")


def is_gripper(name: str) -> bool:
    """By its name, as `gripper.pos`, `opening` or `left_finger`."""
    return any(word in name.lower() for word in GRIPPER_WORDS)


def gripper_places(robot: Embodiment) -> list[int]:
    """The gripper's action dimensions: as the robot says, else by their names."""
    return list(robot.gripper_dims) or [i for i, name in enumerate(robot.action_names) if is_gripper(name)]
