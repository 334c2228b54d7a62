"""The vocabulary on disk: a tokenizer.json that Hugging Face `tokenizers` loads by itself.

    id        [0, R)           [R, R + 256)    [R + 256, size)
    entries   control tokens   single bytes    merges, most frequent first

Merge k joins two earlier tokens into the token of id R + 256 + k, one merge a token. Engines that go by merges (Hugging
Face) and engines that go by the rank of the merged bytes (tiktoken) therefore do the same.

The control tokens are ordinary vocabulary entries that no merge reaches, not HF "special tokens": any engine that
loads the file gives text ids >= R, whatever the text contains, without a switch that could be forgotten.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

import tiktoken

from polymath.errors import ConfigError
from polymath.files import atomic_write
from polymath.tokenizer.control_tokens import ControlTokens
from polymath.tokenizer.public_files import BESIDE

# The pre-tokeniser of OpenAI's o200k_base (tiktoken, `tiktoken_ext/openai_public.py`): words with their leading
# space, single digits, runs of punctuation, line ends. It bounds what a merge may span.
PATTERN = "|".join(
    [
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}",  # every digit by itself, as in PaLM (arXiv:2204.02311, section 2) and LLaMA
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
SPLIT = {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Isolated", "invert": False}


def _alphabet() -> dict[bytes, str]:
    """GPT-2's letter for each byte (openai/gpt-2, `encoder.py`): printable bytes stand for themselves."""
    printable = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = (byte for byte in range(256) if byte not in printable)
    letters = {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}
    return {bytes([byte]): letter for byte, letter in sorted(letters.items(), key=lambda item: item[1])}


LETTERS = _alphabet()  # in the order of their ids
BYTES = {letter: byte[0] for byte, letter in LETTERS.items()}
_SPELLING = {byte: letter for letter, byte in BYTES.items()}
_UNSPELLING = {ord(letter): chr(byte) for letter, byte in BYTES.items()}


@dataclass(frozen=True)
class Vocabulary:
    """A block of control tokens and the merges, in the order in which they were learned."""

    control: ControlTokens
    merges: tuple[tuple[bytes, bytes], ...]
    drops_first_space: ClassVar[bool] = False  # when it decodes

    @cached_property
    def tokens(self) -> list[bytes]:
        """The bytes of every id; those of a control token spell its name."""
        names = (name.encode() for name in self.control.names())
        return [*names, *LETTERS, *(left + right for left, right in self.merges)]

    def ranks(self) -> dict[bytes, int]:
        """Bytes -> id of all that text can become."""
        return {token: rank for rank, token in enumerate(self.tokens) if rank >= self.control.size}

    def encoder(self) -> Callable[[str], list[int]]:
        """From text to ids, none of them a control token's."""
        engine = tiktoken.Encoding("polymath", pat_str=PATTERN, mergeable_ranks=self.ranks(), special_tokens={})
        return engine.encode_ordinary

    def save(self, path: Path) -> None:
        """Write tokenizer.json at `path`; the block that a public model's vocabulary had beside it is removed."""
        path.with_name(BESIDE).unlink(missing_ok=True)
        with atomic_write(path) as temporary:
            temporary.write_text(self.to_json(), encoding="utf-8")

    def to_json(self) -> str:
        """The text of tokenizer.json."""
        names = self.control.names()
        tokens = chain(names, map(spell, self.tokens[len(names) :]))
        model = {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: rank for rank, token in enumerate(tokens)},
            "merges": [[spell(left), spell(right)] for left, right in self.merges],
        }
        state: dict[str, Any] = {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [],
            "normalizer": None,
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [SPLIT, BYTE_LEVEL]},
            "post_processor": None,
            "decoder": {**BYTE_LEVEL, "add_prefix_space": True, "use_regex": True},
            "model": model,
        }
        return json.dumps(state, indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Vocabulary":
        """Raises ConfigError, without the file's name, for JSON that is no vocabulary of ours."""
        try:
            state = json.loads(text)
            vocab = dict(state["model"]["vocab"])
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise ConfigError(f"not a tokenizer file ({error!r}); train it again") from None
        control = _control_block(vocab)
        merges = _merges(state)
        vocabulary = cls(control, merges)
        expected = [*control.names(), *map(spell, vocabulary.tokens[control.size :])]
        if any(vocab.get(token) != rank for rank, token in enumerate(expected)) or len(vocab) != len(expected):
            raise ConfigError("ids are not control tokens, bytes, merges in their order; train it with this package")
        return vocabulary


def spell(token: bytes) -> str:
    """The token in GPT-2's letters, one a byte."""
    return token.decode("latin-1").translate(_SPELLING)


def unspell(letters: str) -> bytes:
    """The bytes that GPT-2's letters stand for. Raises KeyError for another letter."""
    if not BYTES.keys() >= set(letters):
        raise KeyError(letters)
    return letters.translate(_UNSPELLING).encode("latin-1")


def _control_block(vocab: dict[str, int]) -> ControlTokens:
    """The block is everything before the first single byte; its size must be a power of two and its names ours."""
    train = "train it with `polymath tokenizer train`"
    try:
        control = ControlTokens(min((vocab[letter] for letter in LETTERS.values() if letter in vocab), default=0))
    except (ConfigError, TypeError):
        raise ConfigError(f"has no block of control tokens; {train}") from None
    for rank, name in enumerate(control.names()):
        if vocab.get(name) != rank:
            raise ConfigError(f"id {rank} is not {name}; {train}")
    return control


def _merges(state: dict[str, Any]) -> tuple[tuple[bytes, bytes], ...]:
    """Raises ConfigError unless the file only splits by PATTERN and merges."""
    for part in ("normalizer", "post_processor", "added_tokens"):
        if state.get(part):
            raise ConfigError(f"{part}: is set, which changes text; train it with `polymath tokenizer train`")
    split = (state.get("pre_tokenizer") or {}).get("pretokenizers", [{}])[0]
    if split.get("pattern") != SPLIT["pattern"]:
        raise ConfigError("pre_tokenizer: splits words otherwise; train it with `polymath tokenizer train`")
    try:
        return tuple((unspell(left), unspell(right)) for left, right in state["model"]["merges"])
    except (KeyError, ValueError, TypeError) as error:
        raise ConfigError(f"model.merges: damaged ({error!r}); train it again") from None
