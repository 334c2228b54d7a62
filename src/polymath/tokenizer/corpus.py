"""Plain text as a tokenizer sees it: reading files to train on, and measuring how densely a tokenizer writes them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from polymath.errors import DataError
from polymath.tokenizer.bpe import Tokenizer


@dataclass(frozen=True)
class Density:
    """How a tokenizer writes one file; words are what white space separates."""

    file: str
    bytes: int
    words: int
    tokens: int
    bytes_per_token: float
    tokens_per_word: float


def lines(paths: Iterable[Path]) -> Iterator[str]:
    """The lines of UTF-8 files, line ends kept. Raises DataError naming the file and, if it is no UTF-8, the byte."""
    for path in paths:
        try:
            with Path(path).open(encoding="utf-8", newline="") as file:
                yield from file
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: not UTF-8 ({error.reason}); convert it, for example with iconv") from None
        except (FileNotFoundError, IsADirectoryError) as error:
            raise DataError(f"{path}: {error.strerror}; name text files") from None


def measure(tokenizer: Tokenizer, path: Path) -> Density:
    """Encode a file line by line and count. Raises DataError if it is empty or cannot be read."""
    total_bytes = total_words = total_tokens = 0
    for line in lines([path]):
        total_bytes += len(line.encode())
        total_words += len(line.split())
        total_tokens += len(tokenizer.encode(line))
    if not total_tokens:
        raise DataError(f"{path}: empty; name a file with text in it")
    return Density(
        file=str(path),
        bytes=total_bytes,
        words=total_words,
        tokens=total_tokens,
        bytes_per_token=total_bytes / total_tokens,
        tokens_per_word=total_tokens / max(total_words, 1),
    )
