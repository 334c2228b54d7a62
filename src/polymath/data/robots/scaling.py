"""How a field is scaled: normalised = clip((value - centre) / scale, -limit, limit), per dimension.

Actions, by the run's choice:

    quantiles   q01 -> -1, q99 -> 1, clipped at ±1.5
    mean-std    mean ± 3 std -> ±1, clipped at ±1.5
    min-max     min -> -1, max -> 1; nothing is clipped

Whatever the choice, a dimension that never moves is centred and not blown up, one whose quantiles collapse (see
`collapsed`) is scaled by its minimum and maximum, and gripper dimensions pass as they are.

States are (value - mean) / std, clipped at ±10. A std below a thousandth of max(1, |mean|), 1 mm or 0.06 degrees in
metres and radians, is noise of the sensor: it is taken for that thousandth, so that noise is not blown up to the size
of motion, and a pose slightly off the recorded one is not a huge input.
"""

import functools
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from polymath.data.robots.accumulator import FieldStatistics
from polymath.data.robots.sketch import ACCURACY

Normalization = Literal["quantiles", "mean-std", "min-max"]

# 2 % of the values lie outside [-1, 1] by construction, and one outlier must not own the squared error; half a range of
# room keeps the honest fast motions.
CLIP = 1.5
STATE_CLIP = 10.0  # standard deviations a policy may see, in training and at control time
DEVIATIONS = 3.0  # that become 1 with mean-std: 4.5 of them are the clip
# A dimension whose spread is below this share of its magnitude never moved: it is centred, but not scaled up.
CONSTANT = 1e-6
STATE_FLOOR = 1e-3  # a state's std below this share of its magnitude is noise
STILL = 1e-4  # actions whose middle 98 % move less than this share of their magnitude stand still but for jitter
FAR = 10.0  # times the middle 98 %

RULES = 2  # version of the rules; 1 had no fallback for collapsed quantiles, no floor and no clip for states


@dataclass(frozen=True)
class Scaling:
    """`limit` is infinite where nothing is clipped. `rule` says in words how each dimension is scaled."""

    centre: Float[np.ndarray, " D"]
    scale: Float[np.ndarray, " D"]
    limit: Float[np.ndarray, " D"]
    rule: tuple[str, ...]

    def bounds(self) -> tuple[Float[np.ndarray, " D"], Float[np.ndarray, " D"]]:
        """The values that are clipped to: [D] each, in the field's units."""
        return self.centre - self.limit * self.scale, self.centre + self.limit * self.scale


def collapsed(field: FieldStatistics) -> Bool[np.ndarray, " D"]:
    """Dimensions whose q01 and q99 say nothing of how far they move: minimum and maximum scale them.

    still       the two are equal, but the dimension moves
    unresolved  they are closer than the sketch tells values apart
    jitter      half their distance is below 1e-4 of the magnitude, and the extremes reach ten times as wide
    bursts      the middle 99.8 % of the rows reach ten times as wide as the middle 98 %: at least 0.1 % of them are far

    Scaled by the quantiles, such motion would be clipped to next to nothing. Rarer far values of a dimension that moves
    otherwise are clipped, and reported: they may be faults of the recording, and scaling by one of them would shrink
    the ordinary motion to nothing.
    """
    low, high, least, most = (np.array(values) for values in (field.q01, field.q99, field.min, field.max))
    middle, extent = high - low, most - least
    resolved = 4 * ACCURACY * np.maximum(np.abs(low), np.abs(high))
    still = ~_moves(middle / 2, (low + high) / 2)
    unresolved = (middle <= resolved) & (extent <= FAR * resolved)
    jitter = (middle / 2 <= STILL * np.maximum(1.0, np.abs(low + high) / 2)) & (extent > FAR * middle)
    bursts = np.zeros(field.width, bool)
    if field.q001 is not None and field.q999 is not None:
        bursts = np.array(field.q999) - np.array(field.q001) > FAR * middle
    return _moves(extent / 2, (least + most) / 2) & (still | unresolved | jitter | bursts)


@functools.lru_cache(maxsize=64)
def action_scaling(
    field: FieldStatistics, gripper: tuple[int, ...], normalization: Normalization, rules: int = RULES
) -> Scaling:
    """Of actions; the `gripper` dimensions pass unchanged."""
    least, most = np.array(field.min), np.array(field.max)
    if normalization == "quantiles":
        low, high, word = np.array(field.q01), np.array(field.q99), "q01, q99"
    elif normalization == "mean-std":
        reach = DEVIATIONS * np.array(field.std)
        low, high, word = np.array(field.mean) - reach, np.array(field.mean) + reach, "mean, std"
    else:
        low, high, word = least, most, "min, max"
    if rules > 1:
        by_extremes = collapsed(field)
        low, high = np.where(by_extremes, least, low), np.where(by_extremes, most, high)
    else:
        by_extremes = np.zeros(field.width, bool)
    centre, scale, limit = (low + high) / 2, (high - low) / 2, np.full(field.width, CLIP)
    moves = _moves(scale, centre)
    scale = np.where(moves, scale, _unmoved(centre, rules))
    rule = np.where(moves, np.where(by_extremes, "min, max", word), "constant").astype(object)
    passed = list(gripper)
    centre[passed], scale[passed], limit[passed], rule[passed] = 0.0, 1.0, np.inf, "unchanged"
    return _frozen(centre, scale, limit, rule)


@functools.lru_cache(maxsize=64)
def state_scaling(field: FieldStatistics, rules: int = RULES) -> Scaling:
    """Of states."""
    mean, std = np.array(field.mean), np.array(field.std)
    moves, floor = _moves(std, mean), STATE_FLOOR * np.maximum(1.0, np.abs(mean)) if rules > 1 else 0.0 * std
    scale = np.where(moves, np.maximum(std, floor), _unmoved(mean, rules))
    rule = np.where(moves, np.where(std < floor, "mean, floor", "mean, std"), "constant")
    return _frozen(mean, scale, np.full(field.width, STATE_CLIP if rules > 1 else np.inf), rule)


def _moves(scale: Float[np.ndarray, " D"], centre: Float[np.ndarray, " D"]) -> Bool[np.ndarray, " D"]:
    return scale > CONSTANT * np.maximum(1.0, np.abs(centre))


def _unmoved(centre: Float[np.ndarray, " D"], rules: int) -> Float[np.ndarray, " D"]:
    """The scale of a dimension that never moves: its magnitude if that is above 1, so that rounding stays small."""
    return np.maximum(1.0, np.abs(centre)) if rules > 1 else np.ones_like(centre)


def _frozen(centre: np.ndarray, scale: np.ndarray, limit: np.ndarray, rule: np.ndarray) -> Scaling:
    """Shared by all callers, so that none may write to it."""
    for array in (centre, scale, limit):
        array.setflags(write=False)
    return Scaling(centre, scale, limit, tuple(map(str, rule)))
