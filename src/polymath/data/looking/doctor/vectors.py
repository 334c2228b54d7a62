"""Numbers of episodes made comparable: angles without their wrap, grippers told from joints, ranges."""

import numpy as np
from jaxtyping import Bool, Float

WRAPS = (2 * np.pi, 360.0)
NEAR_WRAP = 0.9  # of a turn from one step to the next: no joint moves so fast
DISCRETE = 8  # values; a dimension with no more in the whole set is a switch, which may jump
PER_EPISODE = 64  # rows of each episode that count for the set's ranges, so that long ones weigh no more


def unwrapped(values: Float[np.ndarray, "T D"]) -> Float[np.ndarray, "T D"]:
    """Angles that turn on where they wrapped by nearly a whole turn (radians or degrees); float64."""
    steps = np.diff(values.astype(np.float64), axis=0)
    for turn in WRAPS:
        inside = np.abs(values).max(axis=0, initial=0) <= 1.01 * turn  # else its unit is another one
        wraps = inside & (np.abs(steps) > NEAR_WRAP * turn) & (np.abs(steps) <= 1.01 * turn)
        steps = np.where(wraps, steps - turn * np.sign(steps), steps)
    return np.concatenate([values[:1].astype(np.float64), values[:1] + np.cumsum(steps, axis=0)])


def steady_quaternions(values: Float[np.ndarray, "T D"], names: tuple[str, ...]) -> Float[np.ndarray, "T D"]:
    """q and -q are one rotation: the sign that continues the step before. Four neighbours named qx, qy, qz and qw."""
    values = values.copy()
    for first in range(len(names) - 3):
        if sorted(name.lower()[-2:] for name in names[first : first + 4]) == ["qw", "qx", "qy", "qz"]:
            part = values[:, first : first + 4]
            turns = np.sign(np.sum(part[1:] * part[:-1], axis=1))
            signs = np.concatenate([[1.0], np.cumprod(np.where(turns < 0, -1.0, 1.0))])
            values[:, first : first + 4] = part * signs[:, None]
    return values


def sampled(arrays: list[Float[np.ndarray, "T D"]]) -> Float[np.ndarray, "n D"]:
    """As many rows of each, evenly spaced."""
    return np.concatenate([each[np.linspace(0, len(each) - 1, PER_EPISODE).astype(int)] for each in arrays])


def span(arrays: list[Float[np.ndarray, "T D"]]) -> Float[np.ndarray, " D"]:
    """How far each dimension usually moves: the larger of the set's 5 % to 95 % and the median episode's range."""
    rows = sampled(arrays)
    whole = np.quantile(rows, 0.95, axis=0) - np.quantile(rows, 0.05, axis=0)
    own = np.median([np.ptp(each, axis=0) for each in arrays], axis=0)
    return np.maximum(whole, own).astype(np.float64)


def room(arrays: list[Float[np.ndarray, "T D"]]) -> Float[np.ndarray, "2 D"]:
    """Lowest and highest value of each dimension, without the twentieth of the episodes that goes farthest."""
    lows, highs = (np.stack([get(each, axis=0) for each in arrays]) for get in (np.min, np.max))
    return np.stack([np.quantile(lows, 0.05, axis=0), np.quantile(highs, 0.95, axis=0)]).astype(np.float64)


def discrete(arrays: list[Float[np.ndarray, "T D"]]) -> Bool[np.ndarray, " D"]:
    """Dimensions of so few values that they are switches."""
    rows = sampled(arrays)
    return np.array([len(np.unique(column)) <= DISCRETE for column in rows.T])
