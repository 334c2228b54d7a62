"""Text to ids and back. The engine is tiktoken's, the fastest of those whose ids equal Hugging Face's on any text.

Every string is representable (bytes are the alphabet; there is no unknown token and no normaliser), so
decode(encode(s)) == s, and no text gives a control token: the engine does not know them.
"""

from collections.abc import Iterable
from pathlib import Path

import tiktoken

from polymath.errors import ConfigError, DataError
from polymath.files import atomic_write
from polymath.tokenizer.vocabulary import PATTERN, Vocabulary


class Tokenizer:
    """A trained byte-level BPE; `control` is its block of control tokens, `vocab_size` counts them too."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._tokens = vocabulary.tokens
        self.control = vocabulary.control
        self.vocab_size = len(self._tokens)
        ranks = vocabulary.ranks()
        self._engine = tiktoken.Encoding("polymath", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})

    @classmethod
    def load(cls, path: Path) -> "Tokenizer":
        """Read a tokenizer.json. Raises ConfigError if it is missing, damaged or has no control block of ours."""
        path = Path(path)
        if not path.is_file():
            raise ConfigError(f"{path}: no such file; `polymath tokenizer train` writes one")
        try:
            return cls(Vocabulary.from_json(path.read_text(encoding="utf-8")))
        except (ConfigError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: {error}") from None

    def save(self, path: Path) -> None:
        """Write tokenizer.json, readable by HF `tokenizers` by itself."""
        with atomic_write(path) as temporary:
            temporary.write_text(self._vocabulary.to_json(), encoding="utf-8")

    def same_ids(self, other: "Tokenizer") -> bool:
        """Whether both give every text the same ids."""
        return self._vocabulary == other._vocabulary

    def encode(self, text: str) -> list[int]:
        """Ids of `text`, all >= control.size. Raises DataError for a lone surrogate, which no text file can hold."""
        try:
            _ = text.isascii() or text.encode()  # the engine would put U+FFFD for it
        except UnicodeEncodeError:
            raise DataError(f"text: {text!r} is not valid Unicode; read the file as UTF-8") from None
        return self._engine.encode_ordinary(text)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`; a control token appears by its name, bytes that are no UTF-8 as U+FFFD.

        Raises DataError for an id outside the vocabulary.
        """
        return self.decode_bytes(ids).decode("utf-8", errors="replace")

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of `ids`, as `decode`, but before they are read as UTF-8."""
        numbers = [int(number) for number in ids]
        if numbers and not 0 <= min(numbers) <= max(numbers) < self.vocab_size:
            raise DataError(
                f"ids: {min(numbers)}..{max(numbers)} leave the vocabulary of {self.vocab_size:,} entries; decode with "
                "the tokenizer that gave the ids"
            )
        return b"".join([self._tokens[number] for number in numbers])
