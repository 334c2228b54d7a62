"""Normalisation statistics of states and actions: streaming, mergeable in any order, inverted at control time.

Mean and deviation merge by Chan, Golub and LeVeque 1979. Quantiles come from a DDSketch (Masson, Rim and Lee 2019):
counts over logarithmic bins, at most 0.1 % off the true value, of fixed size, merged by adding. So the statistics of 50
million trajectories need no second pass and do not depend on how many workers counted.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from polymath.data.interface import EpisodeSet
from polymath.errors import DataError
from polymath.types import Embodiment

QUANTILES = (0.01, 0.10, 0.50, 0.90, 0.99)
ACCURACY = 1e-3
SMALLEST, LARGEST = 1e-9, 1e9  # magnitudes below count as zero, above as LARGEST
_GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
_BINS = int(np.ceil(np.log(LARGEST / SMALLEST) / np.log(_GAMMA))) + 1

# A normalised action is clipped here: 2 % of the values lie outside [-1, 1] by construction, and one outlier must not
# own the squared error; half a range of room keeps the honest fast motions.
CLIP = 1.5
# A dimension whose spread is below this share of its magnitude never moved: it is centred, but not scaled up.
CONSTANT = 1e-6


@dataclass(frozen=True)
class FieldStatistics:
    """Per dimension, in the units of the field; `count` rows were seen."""

    count: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    min: tuple[float, ...]
    max: tuple[float, ...]
    q01: tuple[float, ...]
    q10: tuple[float, ...]
    q50: tuple[float, ...]
    q90: tuple[float, ...]
    q99: tuple[float, ...]

    @property
    def width(self) -> int:
        return len(self.mean)


@dataclass(frozen=True)
class Statistics:
    """What normalises a robot's states and actions; statistics.json of a run directory, through `polymath.config`."""

    state: FieldStatistics
    action: FieldStatistics

    def check(self, embodiment: Embodiment, where: str = "statistics") -> None:
        """Raise DataError unless the widths are the embodiment's."""
        for name, width, expected in (
            ("state", self.state.width, embodiment.state_dim),
            ("action", self.action.width, embodiment.action_dim),
        ):
            if width != expected:
                raise DataError(
                    f"{where}.{name}: {width} dimensions, but robot {embodiment.name!r} has {expected}; "
                    "compute the statistics from this robot's own data"
                )

    def normalise_state(self, state: Float[np.ndarray, "*n D"]) -> Float[np.ndarray, "*n D"]:
        """(state - mean) / std as float32."""
        mean, scale = self._state_scale()
        return ((_checked(state, len(mean), "observation.state") - mean) / scale).astype(np.float32)

    def denormalise_state(self, state: Float[np.ndarray, "*n D"]) -> Float[np.ndarray, "*n D"]:
        mean, scale = self._state_scale()
        return (np.asarray(state, np.float64) * scale + mean).astype(np.float32)

    def normalise_action(
        self, action: Float[np.ndarray, "*n A"], gripper: tuple[int, ...]
    ) -> Float[np.ndarray, "*n A"]:
        """q01..q99 -> [-1, 1], clipped to ±1.5, as float32; the `gripper` dimensions pass as they are."""
        centre, scale, passed = self._action_scale(gripper)
        action = _checked(action, len(centre), "action")
        normalised = np.clip((action - centre) / scale, -CLIP, CLIP)
        return np.where(passed, action, normalised).astype(np.float32)

    def denormalise_action(
        self, action: Float[np.ndarray, "*n A"], gripper: tuple[int, ...]
    ) -> Float[np.ndarray, "*n A"]:
        """The inverse of `normalise_action` wherever that did not clip."""
        centre, scale, passed = self._action_scale(gripper)
        action = np.asarray(action, np.float64)
        return np.where(passed, action, action * scale + centre).astype(np.float32)

    def _state_scale(self) -> tuple[Float[np.ndarray, " D"], Float[np.ndarray, " D"]]:
        mean = np.array(self.state.mean)
        return mean, _unless_constant(np.array(self.state.std), mean)

    def _action_scale(
        self, gripper: tuple[int, ...]
    ) -> tuple[Float[np.ndarray, " A"], Float[np.ndarray, " A"], Bool[np.ndarray, " A"]]:
        low, high = np.array(self.action.q01), np.array(self.action.q99)
        centre, passed = (low + high) / 2, np.zeros(len(low), bool)
        passed[list(gripper)] = True
        return centre, _unless_constant((high - low) / 2, centre), passed


def of_episodes(episodes: EpisodeSet) -> Statistics:
    """The statistics of a whole set. Raises DataError if it is empty or holds NaN."""
    state, action = Accumulator(episodes.embodiment.state_dim), Accumulator(episodes.embodiment.action_dim)
    for episode in range(len(episodes)):
        state.add(episodes.states(episode))
        action.add(episodes.actions(episode))
    return Statistics(state.result(), action.result())


class Accumulator:
    """Statistics of the rows seen so far. `add` rows, `merge` another one, `result` when done."""

    def __init__(self, width: int) -> None:
        self.count = 0
        self._mean, self._m2 = np.zeros(width), np.zeros(width)
        self._min, self._max = np.full(width, np.inf), np.full(width, -np.inf)
        self._sketch = np.zeros((width, 2 * _BINS + 1), np.int64)  # negative, zero and positive magnitudes in order

    def add(self, rows: Float[np.ndarray, "n D"]) -> None:
        """Raises DataError for another width, NaN or infinity."""
        rows = _checked(rows, len(self._mean), "rows")
        if not len(rows):
            return
        mean = rows.mean(axis=0)
        self._absorb(len(rows), mean, ((rows - mean) ** 2).sum(axis=0), rows.min(axis=0), rows.max(axis=0))
        for counts, column in zip(self._sketch, _bin(rows).T, strict=True):
            counts += np.bincount(column, minlength=len(counts))

    def merge(self, other: "Accumulator") -> None:
        """Count `other`'s rows too, as if they had been added here."""
        if other.count:
            self._absorb(other.count, other._mean, other._m2, other._min, other._max)
            self._sketch += other._sketch

    def result(self) -> FieldStatistics:
        """Raises DataError if no row was added."""
        if not self.count:
            raise DataError("statistics: no rows; the data set holds no episode")
        values = {
            "mean": self._mean,
            "std": np.sqrt(self._m2 / self.count),
            "min": self._min,
            "max": self._max,
            **{f"q{round(100 * q):02d}": self._quantile(q) for q in QUANTILES},
        }
        return FieldStatistics(count=self.count, **{name: tuple(map(float, value)) for name, value in values.items()})

    def _absorb(self, count: int, mean: np.ndarray, m2: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
        total, delta = self.count + count, mean - self._mean
        self._mean = self._mean + delta * (count / total)
        self._m2 = self._m2 + m2 + delta**2 * (self.count * count / total)
        self._min, self._max = np.minimum(self._min, low), np.maximum(self._max, high)
        self.count = total

    def _quantile(self, q: float) -> Float[np.ndarray, " D"]:
        rank = q * (self.count - 1)
        index = (self._sketch.cumsum(axis=1) <= rank).sum(axis=1)  # first bin that holds the row of this rank
        magnitude = SMALLEST * _GAMMA ** (np.abs(index - _BINS) - 1) * (2 * _GAMMA / (1 + _GAMMA))
        return np.clip(np.sign(index - _BINS) * magnitude, self._min, self._max)


def _bin(rows: Float[np.ndarray, "n D"]) -> np.ndarray:
    magnitude = np.clip(np.abs(rows), SMALLEST, LARGEST)
    index = np.floor(np.log(magnitude / SMALLEST) / np.log(_GAMMA)).astype(np.int64) + 1
    return _BINS + np.where(np.abs(rows) < SMALLEST, 0, np.sign(rows).astype(np.int64) * np.minimum(index, _BINS))


def _checked(values: Float[np.ndarray, "*n D"], width: int, name: str) -> Float[np.ndarray, "*n D"]:
    values = np.asarray(values, np.float64)
    if values.shape[-1] != width:
        raise DataError(f"{name}: {values.shape[-1]} dimensions, but the statistics have {width}; use this robot's own")
    if not np.isfinite(values).all():
        raise DataError(f"{name}: holds NaN or infinity; repair or drop the episode")
    return values


def _unless_constant(scale: Float[np.ndarray, " D"], centre: Float[np.ndarray, " D"]) -> Float[np.ndarray, " D"]:
    return np.where(scale > CONSTANT * np.maximum(1.0, np.abs(centre)), scale, 1.0)
