"""Success rates with their uncertainty: intervals, differences, paired comparison; closed forms, z a normal quantile.

Everything is for Bernoulli outcomes, successes k of n episodes, p = k/n.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

from polymath.errors import PolymathError

LEVEL = 0.95


@dataclass(frozen=True)
class Rate:
    """`successes` of `episodes`, with the Wilson score interval at 95 %."""

    successes: int
    episodes: int

    @property
    def rate(self) -> float:
        return self.successes / self.episodes

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(self.successes, self.episodes)

    @classmethod
    def of(cls, outcomes: Iterable[bool]) -> "Rate":
        """Count outcomes."""
        outcomes = list(outcomes)
        return cls(sum(outcomes), len(outcomes))


def wilson(successes: int, episodes: int, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's score interval of a proportion: (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n).

    E. B. Wilson, JASA 22 (1927) 209. Raises PolymathError unless 0 <= successes <= episodes and episodes > 0.
    """
    if not 0 <= successes <= episodes or episodes == 0:
        raise PolymathError(
            f"wilson: {successes} successes of {episodes} episodes is no proportion; run an episode first"
        )
    z, p, n = _z(level), successes / episodes, episodes
    centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = ((centre + sign * half) / (1 + z * z / n) for sign in (-1, 1))
    return (0.0 if successes == 0 else low, 1.0 if successes == episodes else high)


def difference(a: Rate, b: Rate, level: float = LEVEL) -> tuple[float, float]:
    """Interval of a.rate - b.rate for independent episodes, from the two Wilson intervals.

    R. G. Newcombe, Statistics in Medicine 17 (1998) 873, method 10.
    """
    delta = a.rate - b.rate
    (low_a, high_a), (low_b, high_b) = wilson(a.successes, a.episodes, level), wilson(b.successes, b.episodes, level)
    low = delta - math.hypot(a.rate - low_a, high_b - b.rate)
    return low, delta + math.hypot(high_a - a.rate, b.rate - low_b)


def paired_difference(only_a: int, only_b: int, pairs: int, level: float = LEVEL) -> tuple[float, float]:
    """Interval of rate a - rate b over `pairs` episodes run by both, of which `only_a` and `only_b` only one solved.

    A. Agresti, Y. Min, Statistics in Medicine 24 (2005) 729: Wald's interval after adding 1/2 to all four cells.
    """
    a, b, n = only_a + 0.5, only_b + 0.5, pairs + 2
    half = _z(level) * math.sqrt(a + b - (a - b) ** 2 / n) / n
    return (a - b) / n - half, (a - b) / n + half


def mcnemar(only_a: int, only_b: int) -> float:
    """Two-sided exact p-value that both solve equally often, given the discordant pairs: a binomial test with p = 1/2.

    Q. McNemar, Psychometrika 12 (1947) 153; 1 where no pair is discordant.
    """
    n, k = only_a + only_b, min(only_a, only_b)
    return min(1.0, 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n)


def _z(level: float) -> float:
    return NormalDist().inv_cdf(0.5 + level / 2)
