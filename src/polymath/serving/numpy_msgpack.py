"""openpi's messages from clients that are not trusted: `polymath.wire`, with bounds on what a message may unfold to.

A message of n bytes can hold n empty maps of 64 bytes each, or lists inside lists. So maps and lists are counted while
they are read, before their values are looked at. The bulk of an honest message are the bytes of its arrays.
"""

from typing import Any

from polymath.wire import WireError, decode_bounded, encode

MOST_CONTAINERS = 10_000
"""Maps and lists in a message."""
MOST_ITEMS = 200_000
"""Entries of all maps and lists of a message: a state or a picture as nested lists is refused beyond it."""

__all__ = ["WireError", "decode", "encode"]


def decode(data: bytes) -> dict[str, Any]:
    """The message as a map of strings to numbers, strings, lists, maps and read-only arrays.

    Raises WireError, one line that names the field, for what is no message, is nested too deeply, unfolds to too much,
    or holds an array whose dtype, shape and bytes do not fit together.
    """
    return decode_bounded(data, MOST_CONTAINERS, MOST_ITEMS)
