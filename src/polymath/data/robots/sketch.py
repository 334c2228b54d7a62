"""A DDSketch (Masson, Rim and Lee 2019) over D dimensions: counts of values in logarithmic bins of fixed number.

A value is known to 0.1 % of its magnitude. Sketches of parts of the data merge by adding their counts.
"""

import numpy as np
from jaxtyping import Float, Int

ACCURACY = 1e-3
SMALLEST, LARGEST = 1e-9, 1e9  # magnitudes below count as zero; those above share the outermost bin
_GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
_BINS = int(np.ceil(np.log(LARGEST / SMALLEST) / np.log(_GAMMA))) + 1
_OUTERMOST = int(np.floor(np.log(LARGEST / SMALLEST) / np.log(_GAMMA))) + 1  # bin of LARGEST and all beyond
BINS = 2 * _BINS + 1  # negative magnitudes, zero, positive magnitudes, in the order of the values


def bins(values: Float[np.ndarray, "n D"]) -> Int[np.ndarray, "n D"]:
    """The bin of each value, 0 to BINS - 1."""
    magnitude = np.clip(np.abs(values), SMALLEST, LARGEST)
    index = np.floor(np.log(magnitude / SMALLEST) / np.log(_GAMMA)).astype(np.int64) + 1
    return _BINS + np.where(np.abs(values) < SMALLEST, 0, np.sign(values).astype(np.int64) * np.minimum(index, _BINS))


def values(
    index: Int[np.ndarray, " n"], low: Float[np.ndarray, "..."], high: Float[np.ndarray, "..."]
) -> Float[np.ndarray, " n"]:
    """What the values of a bin are taken for: within 0.1 %, and between the smallest and the largest that were seen.

    Beyond LARGEST nothing is known but the extremes, so the outermost bins stand for those.
    """
    magnitude = SMALLEST * _GAMMA ** (np.abs(index - _BINS) - 1) * (2 * _GAMMA / (1 + _GAMMA))
    inside = np.clip(np.sign(index - _BINS) * magnitude, low, high)
    inside = np.where((index - _BINS >= _OUTERMOST) & (high > LARGEST), high, inside)
    return np.where((_BINS - index >= _OUTERMOST) & (low < -LARGEST), low, inside)


def quantiles(
    counts: Int[np.ndarray, "D bins"],
    ranks: Float[np.ndarray, " n"],
    low: Float[np.ndarray, " D"],
    high: Float[np.ndarray, " D"],
) -> Float[np.ndarray, "n D"]:
    """The values of those ranks, 0 to the number of rows - 1, of each dimension; `low`, `high`: the extremes seen."""
    index = np.array([np.searchsorted(row.cumsum(), ranks, side="right") for row in counts], np.int64)
    return values(index.reshape(len(counts), len(ranks)).T, low, high)
