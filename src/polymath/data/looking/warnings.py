"""What the numbers of a data set already show: dimensions that never move, outliers, inverted grippers."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from polymath.data.interface import EpisodeSet
from polymath.data.robots.accumulator import FieldStatistics
from polymath.data.robots.checks import grippers_outside
from polymath.data.robots.scaling import CONSTANT, STATE_FLOOR, collapsed
from polymath.types import Embodiment

FAR = 10.0  # ranges q01..q99 beyond them
LATER = 3  # control steps after which a gripper follows its command
CORRELATED = 0.3
LOOKED_AT = 64  # episodes for what needs all their rows
DARK = 2.0  # mean of 0 to 255
REPEATED = 0.5


def of_episodes(
    source: EpisodeSet,
    episodes: Sequence[int],
    state: FieldStatistics,
    action: FieldStatistics,
    pictures: UInt8[np.ndarray, "n C height width 3"],
) -> list[str]:
    """One sentence for each thing noticed; `episodes` are the usable ones, `pictures` the first of some of them."""
    robot = source.embodiment
    few = [episodes[int(i)] for i in np.linspace(0, len(episodes) - 1, min(LOOKED_AT, len(episodes)))]
    return [
        *_motion("state", robot.state_names, state),
        *_motion("action", robot.action_names, action),
        *(
            f"action {robot.action_names[i]!r} is a gripper outside [-1, 1]: {action.min[i]:.3g} to {action.max[i]:.3g}"
            for i in grippers_outside(robot, action)
        ),
        *_gripper(source, few),
        *_dark_cameras(robot, pictures),
    ]


def _motion(kind: str, names: Sequence[str], statistics: FieldStatistics) -> list[str]:
    """Dimensions that never move, hardly move, move rarely, or have outliers."""
    bursts = np.flatnonzero(collapsed(statistics)).tolist() if kind == "action" else []
    return [
        *(f"{kind} {names[i]!r} never moves" for i in constant(statistics)),
        *(
            f"{kind} {names[i]!r} hardly moves: {statistics.min[i]:.6g} to {statistics.max[i]:.6g}; is it noise, or in "
            "another unit than the others?"
            for i in nearly_constant(statistics)
        ),
        *(
            f"{kind} {names[i]!r} moves in few of its rows: 98 % lie in {statistics.q01[i]:.3g} to "
            f"{statistics.q99[i]:.3g}, all in {statistics.min[i]:.3g} to {statistics.max[i]:.3g}, which scale it"
            for i in bursts
            if i not in nearly_constant(statistics)
        ),
        *(
            f"{kind} {names[i]!r} has outliers: {statistics.min[i]:.3g} to {statistics.max[i]:.3g}, but 98 % lie in "
            f"{statistics.q01[i]:.3g} to {statistics.q99[i]:.3g}"
            for i in outliers(statistics)
            if i not in bursts
        ),
    ]


def of_texts(texts: Sequence[str]) -> list[str]:
    """Whether one caption stands below most pictures."""
    text, count = Counter(texts).most_common(1)[0]
    return [f"{count} of {len(texts)} captions are {text[:60]!r}"] if count > max(1, REPEATED * len(texts)) else []


def constant(statistics: FieldStatistics) -> list[int]:
    """Dimensions whose values are all the same, but for rounding."""
    return [
        i
        for i, (std, low, high) in enumerate(zip(statistics.std, statistics.min, statistics.max, strict=True))
        if std <= CONSTANT * max(1.0, abs(low), abs(high))
    ]


def nearly_constant(statistics: FieldStatistics) -> list[int]:
    """Dimensions that move, but all in all less than a thousandth of their magnitude (1 mm in metres)."""
    still = set(constant(statistics))
    return [
        i
        for i, (low, high) in enumerate(zip(statistics.min, statistics.max, strict=True))
        if i not in still and (high - low) / 2 <= STATE_FLOOR * max(1.0, abs(low), abs(high))
    ]


def outliers(statistics: FieldStatistics) -> list[int]:
    """Dimensions whose extremes lie ten times farther out than the middle 98 % are wide."""
    still, far = {*constant(statistics), *nearly_constant(statistics)}, []
    for i in range(statistics.width):
        low, high = statistics.q01[i], statistics.q99[i]
        beyond = max(low - statistics.min[i], statistics.max[i] - high)
        if i not in still and beyond > FAR * max(high - low, CONSTANT):
            far.append(i)
    return far


def expected_sign(robot: Embodiment, state_name: str) -> int:
    """+1 if a larger command is to make that state larger, -1 if smaller, 0 if nothing says so."""
    convention = robot.conventions.gripper if robot.conventions is not None else robot.action_space.replace(",", "")
    command = 1 if convention.endswith("1 open") else -1 if convention.endswith("1 closed") else 0
    return -command if "clos" in state_name else command


def _gripper(source: EpisodeSet, episodes: Sequence[int]) -> list[str]:
    """Compare commands with where the gripper is a few steps later."""
    robot, notes = source.embodiment, []
    measured = [i for i, name in enumerate(robot.state_names) if any(w in name for w in ("grip", "opening", "closed"))]
    for dimension, place in zip(robot.gripper_dims, measured, strict=False):
        pairs = [(source.actions(e)[:-LATER, dimension], source.states(e)[LATER:, place]) for e in episodes]
        commands, followed = (np.concatenate(side) for side in zip(*pairs, strict=True))
        if len(commands) < 2 or not commands.std() or not followed.std():
            continue
        correlation = float(np.corrcoef(commands, followed)[0, 1])
        sign = expected_sign(robot, robot.state_names[place])
        if sign and sign * correlation < -CORRELATED:
            notes.append(
                f"gripper looks inverted: action {robot.action_names[dimension]!r} and state "
                f"{robot.state_names[place]!r} correlate by {correlation:.2f}, expected {'+' if sign > 0 else '-'}"
            )
    return notes


def _dark_cameras(robot: Embodiment, pictures: UInt8[np.ndarray, "n C height width 3"]) -> list[str]:
    dark = (pictures.mean(axis=(2, 3, 4)) < DARK).mean(axis=0)
    return [
        f"camera {name!r} is black in {share:.0%} of the episodes"
        for name, share in zip(robot.cameras, dark, strict=True)
        if share
    ]
