"""What a look at the numbers already tells: dimensions that never move, outliers, grippers the wrong way round."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from polymath.data.interface import EpisodeSet
from polymath.data.robots.statistics import CONSTANT, FieldStatistics
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
    """One sentence a finding; `episodes` are those that can be read, `pictures` the first of some of them."""
    robot = source.embodiment
    found = []
    for field, names, statistics in (("state", robot.state_names, state), ("action", robot.action_names, action)):
        found += [f"{field} {names[i]!r} never moves" for i in constant(statistics)]
        found += [
            f"{field} {names[i]!r} has outliers: {statistics.min[i]:.3g} to {statistics.max[i]:.3g}, but 98 % lie in "
            f"{statistics.q01[i]:.3g} to {statistics.q99[i]:.3g}"
            for i in outliers(statistics)
        ]
    found += [
        f"action {robot.action_names[i]!r} is a gripper outside [-1, 1]: {action.min[i]:.3g} to {action.max[i]:.3g}"
        for i in robot.gripper_dims
        if action.min[i] < -1 - 1e-3 or action.max[i] > 1 + 1e-3
    ]
    few = [episodes[int(i)] for i in np.linspace(0, len(episodes) - 1, min(LOOKED_AT, len(episodes)))]
    return [*found, *_gripper(source, few), *_dark_cameras(robot, pictures)]


def of_texts(texts: Sequence[str]) -> list[str]:
    """Whether one caption stands below most pictures."""
    text, count = Counter(texts).most_common(1)[0]
    return [f"{count} of {len(texts)} captions are {text[:60]!r}"] if count > max(1, REPEATED * len(texts)) else []


def constant(statistics: FieldStatistics) -> list[int]:
    return [
        i
        for i, (std, low, high) in enumerate(zip(statistics.std, statistics.min, statistics.max, strict=True))
        if std <= CONSTANT * max(1.0, abs(low), abs(high))
    ]


def outliers(statistics: FieldStatistics) -> list[int]:
    """Dimensions whose extremes lie ten times farther out than the middle 98 % are wide."""
    still, found = set(constant(statistics)), []
    for i in range(statistics.width):
        low, high = statistics.q01[i], statistics.q99[i]
        beyond = max(low - statistics.min[i], statistics.max[i] - high)
        if i not in still and beyond > FAR * max(high - low, CONSTANT):
            found.append(i)
    return found


def expected_sign(robot: Embodiment, state_name: str) -> int:
    """+1 if a larger command is to make that state larger, -1 if smaller, 0 if nothing says so."""
    said = robot.conventions.gripper if robot.conventions is not None else robot.action_space.replace(",", "")
    command = 1 if said.endswith("1 open") else -1 if said.endswith("1 closed") else 0
    return -command if "clos" in state_name else command


def _gripper(source: EpisodeSet, episodes: Sequence[int]) -> list[str]:
    """Compare commands with where the gripper is a few steps later."""
    robot, found = source.embodiment, []
    measured = [i for i, name in enumerate(robot.state_names) if any(w in name for w in ("grip", "opening", "closed"))]
    for dimension, place in zip(robot.gripper_dims, measured, strict=False):
        pairs = [(source.actions(e)[:-LATER, dimension], source.states(e)[LATER:, place]) for e in episodes]
        commands, followed = (np.concatenate(side) for side in zip(*pairs, strict=True))
        if len(commands) < 2 or not commands.std() or not followed.std():
            continue
        correlation = float(np.corrcoef(commands, followed)[0, 1])
        sign = expected_sign(robot, robot.state_names[place])
        if sign and sign * correlation < -CORRELATED:
            found.append(
                f"gripper looks inverted: action {robot.action_names[dimension]!r} and state "
                f"{robot.state_names[place]!r} correlate by {correlation:.2f}, expected {'+' if sign > 0 else '-'}"
            )
    return found


def _dark_cameras(robot: Embodiment, pictures: UInt8[np.ndarray, "n C height width 3"]) -> list[str]:
    dark = (pictures.mean(axis=(2, 3, 4)) < DARK).mean(axis=0)
    return [
        f"camera {name!r} is black in {share:.0%} of the episodes"
        for name, share in zip(robot.cameras, dark, strict=True)
        if share
    ]
