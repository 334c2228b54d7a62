"""Our tokens in the pieces of another tokenizer.

    our token       SentencePiece (Llama 2, Mistral, Gemma)    byte-level (Llama 3)
    " open"         ▁open                                      Ġopen
    "ing"           ing                                        ing
    half a letter   <0xE2> <0x96>                              âĸ

A token may stand anywhere in a text, so what the other tokenizer does at a text's begin and end is left out: the space
that it puts before the first word, the spaces that it strips, its special tokens, padding and truncation.
"""

import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as HFTokenizer

from polymath.errors import CheckpointError
from polymath.model.weights.pointers import refuse_pointer
from polymath.tokenizer import Tokenizer
from polymath.tokenizer.vocabulary import spell

ENDS = ("Prepend", "Strip")  # normalizers that act at the begin and the end of a text


def pieces_of(tokenizer: Tokenizer, path: Path) -> list[list[int]]:
    """For each of our ids, the ids of its text in the tokenizer.json at `path`.

    None for control tokens, and for what the other tokenizer knows no piece of. Raises CheckpointError for a file that
    is missing or no tokenizer.
    """
    settings, other = _open_without_ends(path)
    tokens = [b"" if number in tokenizer.control.ids else token for number, token in enumerate(tokenizer.tokens)]
    texts = [token.decode("utf-8", errors="surrogateescape") for token in tokens]  # a surrogate for each stray byte
    whole = other.encode_batch([text if _is_text(text) else "" for text in texts], add_special_tokens=False)
    vocabulary, unknown = other.get_vocab(), _unknown(settings["model"], other)
    byte_level = "ByteLevel" in json.dumps([settings.get("pre_tokenizer"), settings.get("normalizer")])
    pieces: list[list[int]] = []
    for token, text, encoded in zip(tokens, texts, whole, strict=True):
        if _is_text(text):
            ids = encoded.ids
        else:
            ids = _letters(token, vocabulary) if byte_level else _byte_fallback(text, vocabulary, other)
        pieces.append([number for number in ids if number != unknown])
    return pieces


def _open_without_ends(path: Path) -> tuple[dict[str, Any], HFTokenizer]:
    """The file's settings, and its tokenizer as it works inside a text."""
    try:
        refuse_pointer(path)
        settings = json.loads(path.read_text(encoding="utf-8"))
        for part in ("normalizer", "pre_tokenizer"):
            settings[part] = _inside(settings.get(part))
        settings["model"]["dropout"] = None
        inside = {**settings, "post_processor": None, "truncation": None, "padding": None}
        other = HFTokenizer.from_str(json.dumps(inside))
    except CheckpointError:
        raise
    except Exception as error:  # the library raises bare Exception
        raise CheckpointError(
            f"{path}: not a tokenizer file ({error}); fetch the model with its tokenizer.json, by which its embeddings "
            "are translated to our vocabulary"
        ) from None
    other.encode_special_tokens = True  # "</s>" in a text is text
    return settings, other


def _inside(part: dict[str, Any] | None) -> dict[str, Any] | None:
    """A normalizer or pre-tokenizer without what it does at the begin and the end of a text."""
    if part is None or part["type"] in ENDS:
        return None
    if part["type"] == "Sequence":
        name = "normalizers" if "normalizers" in part else "pretokenizers"
        steps = [step for step in map(_inside, part[name]) if step is not None]
        return {**part, name: steps} if steps else None
    if part["type"] == "Metaspace":
        kept = {name: value for name, value in part.items() if name != "add_prefix_space"}
        return {**kept, "prepend_scheme": "never"}
    return {**part, "add_prefix_space": False} if part["type"] == "ByteLevel" else part


def _unknown(model: dict[str, Any], other: HFTokenizer) -> int | None:
    """The id of the piece that stands for what has none."""
    if model.get("unk_id") is not None:
        return int(model["unk_id"])
    name = model.get("unk_token")
    return None if name is None else other.token_to_id(name)


def _is_text(text: str) -> bool:
    return not any(_is_stray(letter) for letter in text)


def _is_stray(letter: str) -> bool:
    """Whether a letter stands for a byte that is no UTF-8 (PEP 383)."""
    return "\udc80" <= letter <= "\udcff"


def _letters(token: bytes, vocabulary: dict[str, int]) -> list[int]:
    """A byte-level tokenizer spells bytes in letters; they are one piece, or one each."""
    spelled = spell(token)
    if spelled in vocabulary:
        return [vocabulary[spelled]]
    return [vocabulary[letter] for letter in spelled] if set(spelled) <= vocabulary.keys() else []


def _byte_fallback(text: str, vocabulary: dict[str, int], other: HFTokenizer) -> list[int]:
    """SentencePiece has a piece for each byte; the text between stray bytes is cut as any other."""

    def pieces() -> Iterator[int]:
        for stray, letters in groupby(text, _is_stray):
            if stray:
                yield from (vocabulary[f"<0x{ord(letter) - 0xDC00:02X}>"] for letter in letters)
            else:
                yield from other.encode("".join(letters), add_special_tokens=False).ids

    names = {f"<0x{ord(letter) - 0xDC00:02X}>" for letter in text if _is_stray(letter)}
    return list(pieces()) if names <= vocabulary.keys() else []
