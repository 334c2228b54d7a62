"""Which source each row of the stream comes from: weights as a fixed cycle, so that any row is computed at once.

The weights are rounded to shares of a cycle of 840 rows (divisible by 2..8), or of as many times that as the smallest
weight needs, and the rows of a source stand evenly spaced in it; a batch of a few dozen rows therefore holds the
configured mixture almost exactly, always.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from polymath.errors import ConfigError

CYCLE, MOST_CYCLES = 840, 1000


@dataclass(frozen=True)
class Mixture:
    """sources[c]: the source of row c of the cycle; ranks[c]: how many rows of that source stand before it."""

    sources: Int[np.ndarray, " cycle"]
    ranks: Int[np.ndarray, " cycle"]
    counts: Int[np.ndarray, " sources"]

    def locate(self, row: int) -> tuple[int, int]:
        """Row of the stream -> (source, row within that source)."""
        cycle, place = divmod(row, len(self.sources))
        source = int(self.sources[place])
        return source, cycle * int(self.counts[source]) + int(self.ranks[place])


def mix(weights: Sequence[float]) -> Mixture:
    """Raises ConfigError unless every weight is finite and positive, and none is below 1/840,000 of the sum."""
    shares = np.array(weights, np.float64)
    if not len(shares) or not np.isfinite(shares).all() or (shares <= 0).any():
        raise ConfigError(
            f"mixture weights: {list(weights)} must all be positive numbers; leave a source out to skip it"
        )
    shares /= shares.sum()
    cycle = CYCLE * min(MOST_CYCLES, int(np.ceil(1 / (CYCLE * shares.min()))))
    exact = shares * cycle
    counts = np.floor(exact).astype(np.int64)
    counts[np.argsort(counts - exact, kind="stable")[: cycle - counts.sum()]] += 1  # largest remainders
    if (counts == 0).any():
        raise ConfigError(
            f"mixture weights: {list(weights)}: a weight is below 1/{cycle:,} of the sum; raise it or drop it"
        )
    ranks = np.concatenate([np.arange(count) for count in counts])
    sources = np.repeat(np.arange(len(counts)), counts)
    order = np.lexsort((sources, (ranks + 0.5) / counts[sources]))
    return Mixture(sources[order], ranks[order], counts)
