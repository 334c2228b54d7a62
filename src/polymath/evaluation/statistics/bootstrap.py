"""The mean of scores with a bootstrap interval, for example CALVIN's average length.

BCa (bias-corrected and accelerated) rather than percentile intervals: scores are bounded and skewed (many chains end
at 0, few reach 5), and there the percentile interval is off by a term of order 1/√n that BCa removes.
B. Efron, JASA 82 (1987) 171; B. Efron, R. Tibshirani, An Introduction to the Bootstrap (1993), chapter 14.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr, ndtri

from polymath.errors import PolymathError
from polymath.evaluation.statistics.rates import LEVEL, wilson

Scores = Sequence[float] | Float[np.ndarray, " n"]
RESAMPLES = 10_000
_AT_ONCE = 2**24


def bootstrap_mean(
    values: Scores, seed: int = 0, bounds: tuple[float, float] | None = None, level: float = LEVEL
) -> tuple[float, float]:
    """BCa interval of the mean of `values` from 10,000 resamples; a function of the values (in any order) and the seed.

    Resampling says nothing where all values are equal. With `bounds`, the least and the greatest score that there can
    be, the interval then says how far the mean can be away if the share of other scores is at most Wilson's upper limit
    of 0 of n; without them it is the value itself. Raises PolymathError for no value, and for NaN or infinite ones.
    """
    scores = _checked(values)
    mean = float(scores.mean())
    distinct, counts = np.unique(scores, return_counts=True)
    if len(distinct) == 1:
        low, high = bounds or (mean, mean)
        other = wilson(0, len(scores), level)[1]
        return mean - other * (mean - low), mean + other * (high - mean)
    means = _resampled_means(distinct, counts, seed)
    below = (np.count_nonzero(means < mean) + np.count_nonzero(means <= mean)) / (2 * len(means))
    bias = ndtri(np.clip(below, 0.5 / len(means), 1 - 0.5 / len(means)))
    shifted = distinct - mean  # the jackknife's deviations of a mean are proportional to these
    acceleration = (counts @ shifted**3) / (6 * (counts @ shifted**2) ** 1.5)
    z = bias + ndtri([(1 - level) / 2, (1 + level) / 2])
    low, high = np.quantile(means, ndtr(bias + z / (1 - acceleration * z)))
    return float(low), float(high)


def _checked(values: Scores) -> Float[np.ndarray, " n"]:
    scores = np.asarray(values, np.float64)
    if scores.ndim != 1 or not scores.size:
        raise PolymathError(f"bootstrap: scores of shape {list(scores.shape)}; run an episode first")
    if not np.isfinite(scores).all():
        raise PolymathError(f"bootstrap: score {scores[~np.isfinite(scores)][0]} is no number; run its episode again")
    return scores


def _resampled_means(
    distinct: Float[np.ndarray, " k"], counts: Float[np.ndarray, " k"], seed: int
) -> Float[np.ndarray, " resamples"]:
    """Means of resamples, sorted. Only how often each distinct value is drawn matters: k numbers, not n, a resample."""
    rng, n = np.random.Generator(np.random.PCG64(seed)), int(counts.sum())
    rows = max(1, _AT_ONCE // len(distinct))
    sizes = [min(rows, RESAMPLES - start) for start in range(0, RESAMPLES, rows)]
    return np.sort(np.concatenate([rng.multinomial(n, counts / n, size) @ distinct for size in sizes]) / n)
