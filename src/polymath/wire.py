"""Messages with numpy arrays as bytes: the codec of `polymath_worker.wire`, with errors of this project."""

from typing import Any

from polymath.errors import PolymathError
from polymath_worker import wire


class WireError(PolymathError):
    """A message cannot be encoded or decoded; the text names the field."""


def encode(message: dict[str, Any]) -> bytes:
    """The message as msgpack bytes. Raises WireError naming the field whose value has no wire form."""
    try:
        return wire.encode(message)
    except wire.WireError as error:
        raise WireError(str(error)) from error


def decode(data: bytes) -> dict[str, Any]:
    """The message of `encode` or of openpi's client. Raises WireError naming the field that is malformed."""
    try:
        return wire.decode(data)
    except wire.WireError as error:
        raise WireError(str(error)) from error


def decode_bounded(data: bytes, most_containers: int, most_items: int) -> dict[str, Any]:
    """As `decode`, for a sender that is not trusted: so many maps and lists at most, with so many entries in all."""
    try:
        return wire.decode_bounded(data, most_containers, most_items)
    except wire.WireError as error:
        raise WireError(str(error)) from error
