"""Medians and median absolute deviations, which a few faulty episodes do not move."""

import numpy as np
from jaxtyping import Bool, Float

SIGMA = 1.4826
"""MAD of a normal distribution times this is its standard deviation (P. Rousseeuw, C. Croux, JASA 88 (1993) 1273)."""
FAR = 6.0
"""Deviations that lie outside: of 1,000 normal values none in 500,000 sets; skewed ones need the margin."""

FEWEST = 4  # values of which one can be called unusual


def centre(values: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """Median and 1.4826 MAD of those that are no NaN; (NaN, NaN) of none."""
    known = values[~np.isnan(values)]
    if not len(known):
        return float("nan"), float("nan")
    middle = float(np.median(known))
    return middle, SIGMA * float(np.median(np.abs(known - middle)))


def far(values: Float[np.ndarray, " n"], least: float) -> Bool[np.ndarray, " n"]:
    """Which lie more than FAR deviations, and more than `least`, above (least > 0) or below (least < 0) the median.

    A NaN never does, and none of fewer than FEWEST.
    """
    middle, scale = centre(values)
    if np.count_nonzero(~np.isnan(values)) < FEWEST:
        return np.zeros(len(values), bool)
    limit = max(abs(least), FAR * scale)
    with np.errstate(invalid="ignore"):
        return values - middle > limit if least > 0 else middle - values > limit


def apart(values: Float[np.ndarray, " n"], width: float) -> Bool[np.ndarray, " n"]:
    """The largest values, where a gap wider than `width` sets at most a fifth of them apart from all the others."""
    order = np.argsort(values, kind="stable")
    gaps = np.diff(values[order])
    first = len(values) - max(1, len(values) // 5)
    chosen = np.zeros(len(values), bool)
    wide = [place for place in range(first - 1, len(gaps)) if gaps[place] > width]
    if len(values) >= FEWEST and wide:
        chosen[order[wide[0] + 1 :]] = True
    return chosen
