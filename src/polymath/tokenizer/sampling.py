"""How much of each language a tokenizer learns from: of small languages more than their share of the bytes.

Language l with n_l bytes gets the share n_l^alpha / sum(n^alpha) of the corpus: alpha = 1 leaves the text as it is,
0 makes all languages alike; Conneau et al. 2020 (arXiv:1911.02116, section 3.1) take 0.3. A language with more text
than its share is sampled, line by line; one with less has every line counted more than once.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from polymath.errors import ConfigError

MOST_REPEATS = 16.0
BLOCK = 4096


@dataclass(frozen=True)
class Draw:
    """Of a language every line is kept with probability `keep` and counted `weight` times."""

    keep: float
    weight: float


def draws(sizes: Mapping[str, int], alpha: float = 1.0, total: float | None = None) -> dict[str, Draw]:
    """The draw of each language, by its bytes, for a corpus of `total` bytes (default: as many as there are).

    No line counts more than 16 times. Raises ConfigError for an alpha outside [0, 1], a total of 0 or less, no bytes.
    """
    if not 0.0 <= alpha <= 1.0:
        raise ConfigError(f"tokenizer.alpha: {alpha} is outside 0..1; 1 takes the text as it is, 0.3 is usual")
    if total is not None and total <= 0:
        raise ConfigError(f"tokenizer.sample: {total} bytes; say how much text to learn from")
    sized = {language: size for language, size in sizes.items() if size}
    if not sized:
        raise ConfigError("tokenizer: there is no text to learn from; name files with text in them")
    powers = {language: size**alpha for language, size in sized.items()}
    bytes_per_power = (total or sum(sized.values())) / sum(powers.values())
    ratios = {language: bytes_per_power * powers[language] / size for language, size in sized.items()}
    return {name: Draw(min(ratio, 1.0), min(max(ratio, 1.0), MOST_REPEATS)) for name, ratio in ratios.items()}


def sample(texts: Iterable[str], keep: float, seed: tuple[int, ...]) -> Iterator[str]:
    """Each text with probability `keep`; which ones is a pure function of `seed` and their places."""
    if keep >= 1.0:
        yield from texts
        return
    rng = np.random.default_rng(seed)
    decisions: list[bool] = []  # on the next texts, the very next one last
    for text in texts:
        if not decisions:
            decisions = (rng.random(BLOCK) < keep).tolist()[::-1]
        if decisions.pop():
            yield text
