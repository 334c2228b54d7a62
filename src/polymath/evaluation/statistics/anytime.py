"""Tests and intervals that may be looked at after every episode, and stopped when one likes.

A gambler starts with 1 and bets on each next score, as if its mean were m. If it is, the capital K(m) is a nonnegative
martingale, so by Ville's inequality (J. Ville, Étude critique de la notion de collectif, 1939) it ever reaches 1/alpha
with probability at most alpha: "K(m) >= 1/alpha at some time" is a test of "the mean is m" at level alpha, whatever
made one stop. The means that are not rejected are a confidence sequence, right at all times at once.

The bet is that of I. Waudby-Smith, A. Ramdas, JRSS B 86 (2024) 1, with a fixed mixture in place of a strategy: for
scores x scaled to [0, 1] and fractions f of the capital at risk,

    K(m) = ½ ∫ ∏ (1 - f + f x/m) df  +  ½ ∫ ∏ (1 - f + f (1-x)/(1-m)) df          f from 0 to 1

Each factor has mean 1 if the mean of x, given what came before, is m; so has every product, and every mixture of them.
For paired successes x is 1, ½ or 0 where a alone, both or none, b alone solved an episode, and at m = ½ the integral
is that of H. Robbins, Ann. Math. Stat. 41 (1970) 1397, in closed form: for k of n discordant pairs 2^n/((n+1) C(n, k)).

K(m) is log-convex in m (each factor c + d/m is) and at most 1 at the mean of the scores (inequality of the arithmetic
and geometric means), so the means not rejected are an interval around it, found by bisection on either side.

The order of the episodes must not depend on their results: see `polymath.evaluation.sequential`.
"""

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from polymath.errors import PolymathError
from polymath.evaluation.statistics.bootstrap import Scores

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(256)
_FRACTIONS = (_NODES + 1) / 2  # Gauss-Legendre: exact for products of up to 511 factors, a valid mixture for all
_LARGEST = 709.0
_LOG_WEIGHTS = np.log(_WEIGHTS / 4)  # 2 for the interval's length, 2 for the two sides


def e_value(scores: Scores, mean: float = 0.0, bounds: tuple[float, float] = (-1.0, 1.0)) -> float:
    """The capital against "the mean is `mean`" after these scores; 1/alpha or more rejects it at level alpha.

    `bounds`: the least and the greatest score that there can be; the defaults are those of the difference of paired
    successes. At most e^709, what a float holds. Raises PolymathError if a score or the mean lies outside.
    """
    distinct, counts = _scaled(scores, bounds)
    m = (mean - bounds[0]) / (bounds[1] - bounds[0])
    if not 0 < m < 1:
        raise PolymathError(f"e-value: mean {mean} is not between the bounds {bounds}")
    return float(np.exp(min(_log_capital(distinct, counts, m), _LARGEST)))


def confidence_sequence(
    scores: Scores, bounds: tuple[float, float] = (0.0, 1.0), alpha: float = 0.05
) -> tuple[float, float]:
    """Interval of the mean that is right after every episode at once with probability at least 1 - alpha.

    Raises PolymathError if there is no score, or if one lies outside `bounds`.
    """
    distinct, counts = _scaled(scores, bounds)
    mean = float(counts @ distinct / counts.sum())
    width = bounds[1] - bounds[0]
    limits = (_limit(distinct, counts, mean, end, alpha) for end in (0.0, 1.0))
    low, high = (bounds[0] + width * limit for limit in limits)
    return low, high


def _limit(distinct: np.ndarray, counts: np.ndarray, inside: float, outside: float, alpha: float) -> float:
    """Where K crosses 1/alpha between the mean, where it is at most 1, and one of the ends."""
    if inside == outside:
        return outside
    for _ in range(60):
        middle = (inside + outside) / 2
        if not 0 < middle < 1:
            break
        rejected = _log_capital(distinct, counts, middle) >= -np.log(alpha)
        inside, outside = (inside, middle) if rejected else (middle, outside)
    return outside


def _log_capital(distinct: Float[np.ndarray, " k"], counts: Float[np.ndarray, " k"], m: float) -> float:
    rising = counts @ np.log1p(_FRACTIONS * (distinct[:, None] / m - 1))
    falling = counts @ np.log1p(_FRACTIONS * ((1 - distinct[:, None]) / (1 - m) - 1))
    return float(logsumexp(np.concatenate([_LOG_WEIGHTS + rising, _LOG_WEIGHTS + falling])))


def _scaled(scores: Scores, bounds: tuple[float, float]) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """The distinct scores, brought to [0, 1], and how often each occurs."""
    values, (low, high) = np.asarray(scores, np.float64), bounds
    if values.ndim != 1 or not values.size or not ((values >= low) & (values <= high)).all():
        raise PolymathError(f"scores from {low} to {high} are needed, at least one; these are {_shown(values)}")
    distinct, counts = np.unique(values, return_counts=True)
    return (distinct - low) / (high - low), counts.astype(np.float64)


def _shown(values: np.ndarray) -> str:
    return f"from {values.min()} to {values.max()}" if values.size else "none"
