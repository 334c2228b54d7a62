"""How many episodes separate two policies: sizes with which a test at level alpha finds a difference with `power`.

For pairs what counts is not the rates but the discordant share: policies that fail on the same episodes are separated
by few pairs, those whose successes fall independently by many.
"""

import math

import numpy as np
from scipy.special import bdtr, gammaln, ndtri, xlogy

from polymath.errors import PolymathError

ALPHA, POWER = 0.05, 0.8
LARGEST = 10**7


def independent_episodes(rate_a: float, rate_b: float, power: float = POWER, alpha: float = ALPHA) -> int | None:
    """Episodes of each policy, not paired, that separate two success rates; None for equal rates, which nothing does.

    n = (z√(2 p̄ q̄) + z'√(p₁q₁ + p₂q₂))² / (p₁ - p₂)², with z of alpha/2 and z' of 1 - power: J. Fleiss, Statistical
    Methods for Rates and Proportions (2nd ed. 1981), section 3.2; R's power.prop.test.
    """
    _check(rate_a, rate_b)
    if rate_a == rate_b:
        return None
    mean = (rate_a + rate_b) / 2
    z, z_power = -ndtri(alpha / 2), ndtri(power)
    spread = rate_a * (1 - rate_a) + rate_b * (1 - rate_b)
    root = z * math.sqrt(2 * mean * (1 - mean)) + z_power * math.sqrt(spread)
    return math.ceil((root / (rate_a - rate_b)) ** 2)


def paired_episodes(only_a: float, only_b: float, power: float = POWER, alpha: float = ALPHA) -> int | None:
    """Pairs with which McNemar's exact test separates two policies that differ in these shares of all episodes.

    `only_a` and `only_b` are the probabilities that a alone or b alone solves an episode. The search is bracketed by
    R. Connor's formula, Biometrics 43 (1987) 207, n = (z√ψ + z'√(ψ - δ²))²/δ² with ψ = only_a + only_b and
    δ = only_a - only_b, and decided by the exact power. None where δ is 0, or where 10 million pairs do not suffice.
    """
    _check(only_a, only_b, only_a + only_b)
    share, delta = only_a + only_b, abs(only_a - only_b)
    if delta == 0:
        return None
    z, z_power = -ndtri(alpha / 2), ndtri(power)
    connor = ((z * math.sqrt(share) + z_power * math.sqrt(share - delta * delta)) / delta) ** 2
    low, high = 0, 2 * math.ceil(connor) + 60
    if high > LARGEST:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        enough = power_of_pairs(only_a, only_b, middle, alpha) >= power
        low, high = (low, middle) if enough else (middle, high)
    return high


def power_of_pairs(only_a: float, only_b: float, pairs: int, alpha: float = ALPHA) -> float:
    """Probability that McNemar's exact test of `pairs` pairs is significant: the sum over the discordant counts m.

    Σ_m Bin(m; pairs, ψ) · P(Bin(m, only_a/ψ) is in the test's critical region at m).
    """
    share = only_a + only_b
    spread = 9 * math.sqrt(pairs * share * (1 - share)) + 30
    m = np.arange(max(0, int(pairs * share - spread)), min(pairs, int(pairs * share + spread)) + 1)
    choose = gammaln(pairs + 1) - gammaln(m + 1) - gammaln(pairs - m + 1)
    weights = np.exp(choose + xlogy(m, share) + xlogy(pairs - m, 1 - share))
    critical = _critical(m, alpha)
    rejected = sum(np.where(critical >= 0, bdtr(np.maximum(critical, 0), m, q), 0) for q in _halves(only_a, only_b))
    return float(weights @ np.broadcast_to(rejected, m.shape))


def _halves(only_a: float, only_b: float) -> tuple[float, float]:
    """Of the discordant pairs, the share of each: the smaller count of the test may be either's."""
    return only_a / (only_a + only_b), only_b / (only_a + only_b)


def _critical(m: np.ndarray, alpha: float) -> np.ndarray:
    """For each m the greatest k with 2 P(Bin(m, 1/2) <= k) <= alpha; -1 where there is none."""
    low, high = np.full(m.shape, -1), m // 2
    while (high - low > 1).any():
        middle = (low + high) // 2
        inside = 2 * bdtr(np.maximum(middle, 0), m, 0.5) <= alpha
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return low


def _check(*shares: float) -> None:
    if not all(0 <= share <= 1 + 1e-12 for share in shares):
        raise PolymathError(f"power: {shares} are no probabilities; give shares from 0 to 1")
