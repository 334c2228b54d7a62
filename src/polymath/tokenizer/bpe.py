"""Text to ids and back, by a vocabulary of ours or by a public model's own.

Ours has tiktoken's engine, the fastest of those whose ids equal Hugging Face's on any text; bytes are its alphabet and
it has no normaliser, so decode(encode(s)) == s. A public model's tokenizer (`polymath.tokenizer.public`) may normalise.
Every string is representable (there is no unknown token), and no text gives a control token: no engine knows them.
"""

from collections.abc import Iterable
from pathlib import Path

from polymath.errors import ConfigError, DataError
from polymath.tokenizer import public_files
from polymath.tokenizer.control_tokens import SMALLEST_BLOCK
from polymath.tokenizer.public import PublicVocabulary
from polymath.tokenizer.vocabulary import Vocabulary


class Tokenizer:
    """`control` is the block of control tokens, `vocab_size` counts them too, and the unused rows of a public model."""

    def __init__(self, vocabulary: Vocabulary | PublicVocabulary) -> None:
        self._vocabulary = vocabulary
        self.tokens = vocabulary.tokens  # the bytes of every id
        self.control = vocabulary.control
        self.vocab_size = len(self.tokens)
        self._encode = vocabulary.encoder()

    def __reduce__(self) -> tuple[type["Tokenizer"], tuple[Vocabulary | PublicVocabulary]]:
        return Tokenizer, (self._vocabulary,)

    @classmethod
    def load(cls, path: Path) -> "Tokenizer":
        """Read a tokenizer.json of ours, one that a run keeps of a public model, or such a model's folder.

        Raises ConfigError if it is missing, damaged or has no control block of ours.
        """
        path = Path(path)
        if path.is_dir():
            return cls.from_public(path)
        if not path.is_file():
            raise ConfigError(f"{path}: no such file; `polymath tokenizer train` writes one")
        kept = public_files.read_kept(path)
        try:
            if kept:
                return cls(PublicVocabulary(*kept))
            return cls(Vocabulary.from_json(path.read_text(encoding="utf-8")))
        except (ConfigError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: {error}") from None

    @classmethod
    def from_public(cls, folder: Path, control_tokens: int = SMALLEST_BLOCK) -> "Tokenizer":
        """The tokenizer of a public model's folder, with a block of control tokens behind its last id.

        Raises ConfigError for a file that is missing or damaged, and for a vocabulary that cannot spell every text.
        """
        folder = Path(folder)
        text, control = public_files.read_folder(folder, control_tokens)
        try:
            return cls(PublicVocabulary(text, control))
        except ConfigError as error:
            raise ConfigError(f"{folder / 'tokenizer.json'}: {error}") from None

    @property
    def is_public(self) -> bool:
        """Is it a public model's own?"""
        return isinstance(self._vocabulary, PublicVocabulary)

    def save(self, path: Path) -> None:
        """Write tokenizer.json, readable by HF `tokenizers` by itself; of a public model control_tokens.json too."""
        self._vocabulary.save(path)

    def same_ids(self, other: "Tokenizer") -> bool:
        """Whether both give every text the same ids."""
        return self._vocabulary == other._vocabulary

    def encode(self, text: str) -> list[int]:
        """Ids of `text`, none of them in the control block.

        Raises DataError for a lone surrogate, which no text file can hold.
        """
        try:
            _ = text.isascii() or text.encode()  # the engine would put U+FFFD for it
        except UnicodeEncodeError:
            raise DataError(f"text: {text!r} is not valid Unicode; read the file as UTF-8") from None
        return self._encode(text)

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
        spelled = b"".join([self.tokens[number] for number in numbers])
        return spelled.removeprefix(b" ") if self._vocabulary.drops_first_space else spelled
