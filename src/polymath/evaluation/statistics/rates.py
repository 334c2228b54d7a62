"""Success rates: k successes of n episodes, p = k/n; closed forms, z a quantile of the normal distribution."""

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
    z, p, n = quantile(level), successes / episodes, episodes
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


def fisher(a: Rate, b: Rate) -> float:
    """Two-sided p-value that two policies solve equally often, for episodes that are not paired: Fisher's exact test.

    The sum over all tables with these margins that are no more likely than this one. R. A. Fisher, Journal of the
    Royal Statistical Society 98 (1935) 39.
    """
    solved, total = a.successes + b.successes, a.episodes + b.episodes

    def log_share(k: int) -> float:
        """Logarithm of the hypergeometric probability that `a` has k of the solved episodes."""
        return _log_choose(a.episodes, k) + _log_choose(b.episodes, solved - k) - _log_choose(total, solved)

    observed = log_share(a.successes) + 1e-7  # equally likely tables differ by rounding
    tables = range(max(0, solved - b.episodes), min(a.episodes, solved) + 1)
    return min(1.0, sum(math.exp(share) for share in map(log_share, tables) if share <= observed))


def quantile(level: float) -> float:
    """The normal quantile that leaves (1 - level)/2 on either side: 1.96 for 0.95."""
    return NormalDist().inv_cdf(0.5 + level / 2)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
