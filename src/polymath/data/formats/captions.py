"""The caption of a pair, however its set writes it: text, bytes, or a list of several."""

from typing import Any

from polymath.errors import DataError

NAMES = ("text", "caption", "txt", "TEXT", "sentence", "captions", "texts", "sentences")
EDGES = " \t\r\n\ufeff"  # no str.strip(): U+2028 and the like belong to the text


def caption(value: Any, where: str) -> str:
    """The text; of several the first that is not empty. Without a byte order mark, white space around it, or CRLF.

    Raises DataError for null, an empty text, bytes that are no UTF-8, half a surrogate pair, and for anything else.
    """
    if isinstance(value, list | tuple):
        texts = [entry for entry in value if entry is not None and (not isinstance(entry, str) or entry.strip())]
        value = texts[0] if texts else None
    if isinstance(value, bytes):
        try:
            value = value.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise DataError(f"{where}: not UTF-8 ({error.reason}); convert the captions", "schema") from None
    if value is not None and not isinstance(value, str):
        raise DataError(f"{where}: the caption is {value!r:.80}, not a text; write one or drop it", "schema")
    text = (value or "").replace("\r\n", "\n").strip(EDGES)
    if not text.strip():
        raise DataError(f"{where}: the caption is empty; write one or drop it", "instruction")
    if not is_text(text):
        raise DataError(f"{where}: the caption holds half a surrogate pair; write it again", "schema")
    return text


def is_text(value: str) -> bool:
    """Whether it can be written as UTF-8: JSON can hold one half of a surrogate pair."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
