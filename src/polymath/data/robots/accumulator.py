"""Statistics of the rows of a field: streaming, mergeable in any order, of fixed size.

Mean and deviation merge by Chan, Golub and LeVeque 1979, quantiles come from a `sketch`. So the statistics of 50
million trajectories need no second pass and do not depend on how many workers counted.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from polymath.data.robots import sketch
from polymath.errors import DataError

QUANTILES = (0.01, 0.10, 0.50, 0.90, 0.99)
TAILS = {"q001": 0.001, "q999": 0.999}
ROWS_AT_ONCE = 65_536  # bounds the memory that a long episode takes
LARGEST = float(np.finfo(np.float32).max)  # what a policy's float32 can hold


@dataclass(frozen=True)
class FieldStatistics:
    """Per dimension, in the units of the field; `count` rows were seen. q001 and q999 are None in older files."""

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
    q001: tuple[float, ...] | None = None
    q999: tuple[float, ...] | None = None

    @property
    def width(self) -> int:
        return len(self.mean)


@dataclass(frozen=True)
class Clipping:
    """Per dimension: the share of the values that normalisation clips, and what that costs in the field's own units.

    `largest` is the largest error of a clipped value, `mean` the mean error of the clipped values; 0 where none is.
    """

    share: tuple[float, ...]
    largest: tuple[float, ...]
    mean: tuple[float, ...]


class Accumulator:
    """Statistics of the rows seen so far. `add` rows, `merge` another one, `result` when done."""

    def __init__(self, width: int) -> None:
        self.count = 0
        self._mean, self._m2 = np.zeros(width), np.zeros(width)
        self._min, self._max = np.full(width, np.inf), np.full(width, -np.inf)
        self._sketch = np.zeros((width, sketch.BINS), np.int64)

    def add(self, rows: Float[np.ndarray, "n D"], name: str = "rows") -> None:
        """Raises DataError for another width, NaN, infinity, or a value that is no float32."""
        rows = checked_rows(rows, len(self._mean), name)
        for start in range(0, len(rows), ROWS_AT_ONCE):
            part = rows[start : start + ROWS_AT_ONCE]
            mean = part.mean(axis=0)
            self._absorb(len(part), mean, ((part - mean) ** 2).sum(axis=0), part.min(axis=0), part.max(axis=0))
            for counts, column in zip(self._sketch, sketch.bins(part).T, strict=True):
                counts += np.bincount(column, minlength=len(counts))

    def merge(self, other: "Accumulator") -> None:
        """Count `other`'s rows too, as if they had been added here. Raises DataError for another width."""
        if len(other._mean) != len(self._mean):
            raise DataError(f"statistics: {len(other._mean)} dimensions cannot be merged into {len(self._mean)}")
        if other.count:
            self._absorb(other.count, other._mean, other._m2, other._min, other._max)
            self._sketch += other._sketch

    def result(self) -> FieldStatistics:
        """Raises DataError if no row was added."""
        if not self.count:
            raise DataError("statistics: no rows; the data set holds no episode")
        quantiles = {f"q{round(100 * q):02d}": q for q in QUANTILES} | TAILS
        ranks = np.array(list(quantiles.values())) * (self.count - 1)
        at_ranks = sketch.quantiles(self._sketch, ranks, self._min, self._max)
        values = {
            "mean": self._mean,
            "std": np.sqrt(self._m2 / self.count),
            "min": self._min,
            "max": self._max,
            **dict(zip(quantiles, at_ranks, strict=True)),
        }
        return FieldStatistics(count=self.count, **{name: tuple(map(float, value)) for name, value in values.items()})

    def clipping(self, low: Float[np.ndarray, " D"], high: Float[np.ndarray, " D"]) -> Clipping:
        """What clipping the rows seen so far to [low, high] costs.

        The largest error is exact; share and mean come from the sketch, which knows a value to 0.1 % of its magnitude.
        """
        beyond = np.maximum(np.maximum(low - self._min, self._max - high), 0.0)
        shares, means = np.zeros(len(low)), np.zeros(len(low))
        for d in np.flatnonzero(beyond > 1e-6 * np.maximum(np.abs(self._min), np.abs(self._max))):
            index = np.flatnonzero(self._sketch[d])
            counts, values = self._sketch[d, index], sketch.values(index, self._min[d], self._max[d])
            errors = np.maximum(low[d] - values, values - high[d])
            clipped = errors > 0
            clipped[0] |= self._min[d] < low[d]  # the extremes are known exactly, their bins are not
            clipped[-1] |= self._max[d] > high[d]
            total = counts[clipped].sum()
            shares[d] = total / self.count
            means[d] = min(beyond[d], float(np.maximum(errors, 0)[clipped] @ counts[clipped]) / total)
        return Clipping(*(tuple(map(float, column)) for column in (shares, np.where(shares, beyond, 0), means)))

    def _absorb(self, count: int, mean: np.ndarray, m2: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
        total, delta = self.count + count, mean - self._mean
        self._mean = self._mean + delta * (count / total)
        self._m2 = self._m2 + m2 + delta**2 * (self.count * count / total)
        self._min, self._max = np.minimum(self._min, low), np.maximum(self._max, high)
        self.count = total


def checked_rows(rows: Any, width: int, name: str) -> Float[np.ndarray, "n D"]:
    """Rows as float64. Raises DataError, naming field, row and dimension, for what `checked` refuses or no matrix."""
    rows = checked(rows, width, name)
    if rows.ndim != 2:
        raise DataError(f"{name}: shape {rows.shape} is not (rows, {width}); give one row a control step", "width")
    return rows


def checked(values: Any, width: int, name: str) -> Float[np.ndarray, "*n D"]:
    """Values of `width` dimensions as float64.

    Raises DataError, naming the field by `name`, for another width, NaN, infinity, and what float32 cannot hold.
    """
    try:
        kind = np.asarray(values).dtype.kind
        if kind not in "biufO" or np.ma.is_masked(values):
            content = {"c": "complex numbers", "M": "dates", "m": "durations"}.get(kind, "text or gaps")
            raise DataError(f"{name}: holds {content}; record it as real numbers", "schema")
        values = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{name}: does not hold numbers alone, in rows of one width; record it as numbers") from None
    if not values.ndim or values.shape[-1] != width:
        dimensions = values.shape[-1] if values.ndim else "no"
        raise DataError(f"{name}: {dimensions} dimensions, but the statistics have {width}; use this robot's own")
    wrong = np.argwhere(~(np.abs(values) <= LARGEST))
    if len(wrong):
        *row, dimension = wrong[0].tolist()
        value, place = values[tuple(wrong[0])], f" in row {row[0]}" if row else ""
        problem = "beyond float32" if np.isfinite(value) else "holds NaN or infinity"
        raise DataError(f"{name}: {problem}: {value:g} in dimension {dimension}{place}; repair or drop the episode")
    return values
