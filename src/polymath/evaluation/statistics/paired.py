"""Two policies on the same episodes: only the pairs with different results tell them apart.

`only_a` and `only_b` are the discordant pairs, which one of the two alone solved.
"""

import math

import numpy as np
from jaxtyping import Float, Int
from scipy.special import bdtr, gammaln

from polymath.evaluation.statistics.bootstrap import Scores, bootstrap_mean
from polymath.evaluation.statistics.rates import LEVEL, quantile

RESAMPLES = 10_000
_AT_ONCE = 2**22
_LARGEST_CONVOLVED = 20_000


def mcnemar(only_a: int, only_b: int) -> float:
    """Two-sided exact p-value that both solve equally often, given the discordant pairs: a binomial test with p = 1/2.

    Q. McNemar, Psychometrika 12 (1947) 153; 1 where no pair is discordant.
    """
    if only_a == only_b:
        return 1.0
    return min(1.0, 2 * float(bdtr(min(only_a, only_b), only_a + only_b, 0.5)))


def paired_difference(only_a: int, only_b: int, pairs: int, level: float = LEVEL) -> tuple[float, float]:
    """Interval of rate a - rate b over `pairs` episodes run by both, of which `only_a` and `only_b` only one solved.

    A. Agresti, Y. Min, Statistics in Medicine 24 (2005) 729: Wald's interval after adding 1/2 to all four cells,
    cut at -1 and 1.
    """
    a, b, n = only_a + 0.5, only_b + 0.5, pairs + 2
    half = quantile(level) * math.sqrt(a + b - (a - b) ** 2 / n) / n
    return max(-1.0, (a - b) / n - half), min(1.0, (a - b) / n + half)


def paired_mean(
    a: Scores, b: Scores, seed: int = 0, limit: float | None = None, level: float = LEVEL
) -> tuple[float, float]:
    """BCa interval of mean a - mean b over pairs of scores: whole pairs are resampled.

    `limit`: the greatest difference that there can be, for pairs that all differ alike (see `bootstrap_mean`).
    """
    return bootstrap_mean(np.subtract(a, b), seed, None if limit is None else (-limit, limit), level)


def permutation_test(a: Scores, b: Scores, seed: int = 0) -> float:
    """Two-sided p-value that swapping the two scores of any pair changes nothing, for the sum of the differences.

    R. A. Fisher, The Design of Experiments (1935), section 21. Exact for whole scores, where it sums over all swaps by
    convolution, and for successes it is McNemar's test; for other scores 10,000 random swaps, of which the observed
    result counts as one more (B. Phipson, G. Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010) 39).
    """
    differences = np.abs(signed := np.subtract(a, b, dtype=np.float64))
    differences, observed = differences[differences > 0], abs(float(signed.sum()))
    if not len(differences):
        return 1.0
    whole = differences.astype(np.int64)
    if (whole == differences).all() and (whole.sum() <= _LARGEST_CONVOLVED or (whole == whole[0]).all()):
        return _exact(whole, round(observed))
    return _sampled(differences, observed, seed)


def _exact(differences: Int[np.ndarray, " n"], observed: int) -> float:
    """Share of all 2^n choices of signs with |sum| >= observed; a sum of ±d is 2 (sum of those with +) - (sum of all).

    Equal differences are taken together: how many of them have + is binomial.
    """
    share = np.ones(1)
    for d, count in zip(*np.unique(differences, return_counts=True), strict=True):
        of_this = np.zeros(d * count + 1)
        of_this[::d] = _binomial(int(count))
        share = np.convolve(share, of_this) if len(share) > 1 else of_this
    extreme = np.abs(2 * np.arange(len(share)) - int(differences.sum())) >= observed
    return min(1.0, float(share[extreme].sum()))


def _binomial(n: int) -> Float[np.ndarray, " n+1"]:
    """Probabilities of 0 … n heads of n fair coins."""
    k = np.arange(n + 1)
    return np.exp(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1) - n * math.log(2))


def _sampled(differences: Float[np.ndarray, " n"], observed: float, seed: int) -> float:
    rng = np.random.Generator(np.random.PCG64(seed))
    rows = max(1, _AT_ONCE // len(differences))
    extreme = 0
    for start in range(0, RESAMPLES, rows):
        signs = rng.integers(0, 2, (min(rows, RESAMPLES - start), len(differences)), np.int8) * 2 - 1
        extreme += int(np.count_nonzero(np.abs(signs @ differences) >= observed * (1 - 1e-9)))
    return (extreme + 1) / (RESAMPLES + 1)
