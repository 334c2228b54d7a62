"""How many episodes separate two policies: sizes with which a test at level alpha finds a difference with `power`.

For pairs what counts is not the rates but the discordant share: policies that fail on the same episodes are separated
by few pairs, those whose successes fall independently by many.
"""

import functools
import math

import numpy as np
from jaxtyping import Int
from scipy.special import bdtr, gammaln, ndtri, xlogy

from polymath.errors import PolymathError

ALPHA, POWER = 0.05, 0.8
LARGEST, EXACT = 10**7, 3_000


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

    `only_a` and `only_b` are the probabilities that a alone or b alone solves an episode. Up to 3,000 pairs by the
    exact power; beyond by R. Connor's formula, Biometrics 43 (1987) 207, n = (z√ψ + z'√(ψ - δ²))²/δ² with
    ψ = only_a + only_b and δ = only_a - only_b, as good there. None where δ is 0, or 10 million pairs do not suffice.
    """
    _check(only_a, only_b, only_a + only_b)
    share, delta = only_a + only_b, abs(only_a - only_b)
    if delta < 3 / LARGEST:  # Connor's n is at least z²/δ
        return None
    z, z_power = -ndtri(alpha / 2), ndtri(power)
    connor = ((z * math.sqrt(share) + z_power * math.sqrt(share - delta * delta)) / delta) ** 2
    if connor > EXACT:
        return math.ceil(connor) if connor <= LARGEST else None
    low, high = 0, math.ceil(1.5 * connor) + 40
    while high - low > 1:
        middle = (low + high) // 2
        enough = power_of_pairs(only_a, only_b, middle, alpha) >= power
        low, high = (low, middle) if enough else (middle, high)
    return high


def score_episodes(mean: float, deviation: float, power: float = POWER, alpha: float = ALPHA) -> int | None:
    """Pairs that separate two mean scores whose difference has this mean and standard deviation over the pairs.

    n = ((z + z') deviation/mean)² + z²/2: W. Guenther, The American Statistician 35 (1981) 243. None for a mean of 0,
    and where 10 million pairs do not suffice.
    """
    z, z_power = -ndtri(alpha / 2), ndtri(power)
    if mean == 0:
        return None
    pairs = ((z + z_power) * deviation / mean) ** 2 + z * z / 2
    return math.ceil(pairs) if pairs <= LARGEST else None


def power_of_pairs(only_a: float, only_b: float, pairs: int, alpha: float = ALPHA) -> float:
    """Probability that McNemar's exact test of `pairs` pairs is significant: the sum over the discordant counts m.

    Σ_m Bin(m; pairs, ψ) · P(Bin(m, only_a/ψ) is in the test's critical region at m).
    """
    share = only_a + only_b
    spread = 9 * math.sqrt(pairs * share * (1 - share)) + 30
    m = np.arange(max(0, int(pairs * share - spread)), min(pairs, int(pairs * share + spread)) + 1)
    choose = gammaln(pairs + 1) - gammaln(m + 1) - gammaln(pairs - m + 1)
    weights = np.exp(choose + xlogy(m, share) + xlogy(pairs - m, 1 - share))
    critical = _critical(1 << int(m[-1]).bit_length(), alpha)[m]
    rejected = [np.where(critical >= 0, bdtr(critical, m, part / share), 0) for part in (only_a, only_b)]
    return float(weights @ (rejected[0] + rejected[1]))


@functools.lru_cache
def _critical(count: int, alpha: float) -> Int[np.ndarray, " count"]:
    """For m = 0 … count - 1 the greatest k with 2 P(Bin(m, 1/2) <= k) <= alpha; -1 where there is none."""
    m = np.arange(count)
    low, high = np.full(count, -1), m // 2 + 1
    while (high - low > 1).any():
        middle = (low + high) // 2
        inside = 2 * bdtr(np.maximum(middle, 0), m, 0.5) <= alpha
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return low


def _check(*shares: float) -> None:
    if not all(0 <= share <= 1 + 1e-12 for share in shares):
        raise PolymathError(f"power: {shares} are no probabilities; give shares from 0 to 1")
