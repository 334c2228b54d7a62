"""A public model's own tokenizer.json, kept as it is, with our control tokens behind the last row of its embeddings.

    id       [0, T)             [T, R)                          [R, R + size)
    entries  its vocabulary     rows that no token belongs to   control tokens
                                (padding of the model's table)

On disk it is two files: tokenizer.json byte for byte, and control_tokens.json beside it with R, the size of the block
and the ids of the model's own begin and end of a text.

Text gives what `tokenizers` gives without special tokens, but for one thing: text that spells a special token of the
model (<|endoftext|>, <s>) is cut like any other text. Special are the tokens that the file marks so, and those that are
written <|…|>; other added tokens (runs of spaces, <tool_call>) are text, as they are in the model's own tokenizer.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Engine

from polymath.errors import ConfigError
from polymath.tokenizer import public_files
from polymath.tokenizer.control_tokens import ControlTokens
from polymath.tokenizer.vocabulary import BYTES, unspell

BYTE_NAMES = {f"<0x{byte:02X}>": bytes([byte]) for byte in range(256)}
SPACE = "▁"  # SentencePiece's
UNREACHABLE = " "  # in a name: spaces are replaced before text meets the vocabulary of every kind that is read here


@dataclass(frozen=True)
class PublicVocabulary:
    """text: of tokenizer.json. Raises ConfigError, without the file's name, where some text has no tokens."""

    text: str
    control: ControlTokens

    def __post_init__(self) -> None:
        refuse_unrepresentable(self._settings)

    @property
    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = json.loads(self.text)
        return settings

    @cached_property
    def tokens(self) -> list[bytes]:
        """The bytes of every id: none for a row without a token; those of a control or special token spell its name."""
        settings = self._settings
        as_bytes = _spelled_bytes if is_byte_level(settings) else _piece_bytes
        tokens = [b""] * self.control.first
        for name, number in vocabulary_of(settings["model"]).items():
            tokens[number] = as_bytes(name)
        for entry in settings.get("added_tokens") or ():
            tokens[entry["id"]] = entry["content"].encode()
        return tokens + [name.encode() for name in self.control.names()]

    def encoder(self) -> Callable[[str], list[int]]:
        """From text to ids, none of them a control token's or a special token's."""
        engine = Engine.from_str(json.dumps(text_alone(self._settings)))
        engine.encode_special_tokens = True  # as text: what they spell is matched no more

        def encode(text: str) -> list[int]:
            ids: list[int] = engine.encode(text, add_special_tokens=False).ids
            return ids

        return encode

    @cached_property
    def drops_first_space(self) -> bool:
        """Whether the space before the first word is the tokenizer's own, which decoding takes away again."""
        parts = list(_parts(self._settings.get("decoder")))
        return any(
            (part["type"] == "Strip" and part.get("start") and part.get("content") == " ")
            or (part["type"] == "Metaspace" and part.get("prepend_scheme") != "never")
            for part in parts
        )

    def save(self, path: Path) -> None:
        """Write tokenizer.json at `path` and control_tokens.json beside it."""
        public_files.write(path, self.text, self.control)


def text_alone(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings without special tokens, truncation and padding; no piece of the vocabulary spells a special token.

    A special token that is an entry of the vocabulary gets a name that no text can reach, and the merges that would
    make it are left out. One that is not keeps its place among the added tokens, by which the others are numbered.
    """
    model = settings["model"]
    special = {entry["content"] for entry in settings.get("added_tokens") or () if _is_special(entry)}
    pieces = special & vocabulary_of(model).keys()
    added = [
        {**entry, "special": entry["content"] in special}
        for entry in settings.get("added_tokens") or ()
        if entry["content"] not in pieces
    ]
    if model["type"] == "BPE":
        merges = [merge for merge in model["merges"] if not _touches(merge, pieces)]
        vocab = {_hidden(name, pieces): number for name, number in model["vocab"].items()}
        model = {**model, "vocab": vocab, "merges": merges, "unk_token": None, "dropout": None}
    else:
        model = {**model, "vocab": [[_hidden(name, pieces), score] for name, score in model["vocab"]]}
    nothing = dict.fromkeys(("truncation", "padding", "post_processor"))
    return {**settings, **nothing, "added_tokens": added, "model": model}


def refuse_unrepresentable(settings: dict[str, Any]) -> None:
    """Raise ConfigError unless any text is bytes or pieces of the vocabulary, so that none becomes <unk>."""
    model = settings["model"]
    remedy = "use a model whose tokenizer is byte-level or has byte fallback, or give one of ours (--tokenizer FILE)"
    if model["type"] not in ("BPE", "Unigram"):
        raise ConfigError(f"model.type is {model['type']!r}, which has no tokens for some text; {remedy}")
    if is_byte_level(settings):
        needed = set(BYTES)
    elif model.get("byte_fallback"):
        needed = set(BYTE_NAMES)
    else:
        raise ConfigError(f"model.byte_fallback is {model.get('byte_fallback')!r}: some text has no tokens; {remedy}")
    missing = sorted(needed - vocabulary_of(model).keys())
    if missing:
        raise ConfigError(f"model.vocab: has no entry {missing[0]!r} for one of the 256 bytes; {remedy}")


def vocabulary_of(model: dict[str, Any]) -> dict[str, int]:
    """Piece -> id; Unigram numbers them by their place."""
    vocab = model["vocab"]
    return vocab if isinstance(vocab, dict) else {name: number for number, (name, _) in enumerate(vocab)}


def is_byte_level(settings: dict[str, Any]) -> bool:
    """Whether bytes are spelled in GPT-2's letters."""
    steps = (settings.get("normalizer"), settings.get("pre_tokenizer"))
    return any(part["type"] == "ByteLevel" for step in steps for part in _parts(step))


def _parts(step: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The steps of a normalizer, pre-tokenizer or decoder, those of a sequence one by one."""
    if step is None:
        return []
    if step["type"] != "Sequence":
        return [step]
    name = next(name for name in ("normalizers", "pretokenizers", "decoders") if name in step)
    return [part for inner in step[name] for part in _parts(inner)]


def _is_special(entry: dict[str, Any]) -> bool:
    name = entry["content"]
    return bool(entry["special"]) or (name.startswith("<|") and name.endswith("|>"))


def _touches(merge: str | list[str], pieces: set[str]) -> bool:
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left in pieces or right in pieces or left + right in pieces


def _hidden(name: str, pieces: set[str]) -> str:
    return name + UNREACHABLE if name in pieces else name


def _spelled_bytes(name: str) -> bytes:
    """A piece in GPT-2's letters; one with other characters is an added token's name."""
    return unspell(name) if BYTES.keys() >= set(name) else name.encode()


def _piece_bytes(name: str) -> bytes:
    return BYTE_NAMES.get(name) or name.replace(SPACE, " ").encode()
