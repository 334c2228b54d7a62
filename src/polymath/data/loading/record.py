"""A document, and a packed sequence of documents, as bytes: msgpack with raw numpy arrays, pictures as JPEG.

    record = {"documents": [{"tokens", "loss_weights", "jpegs", "cameras", "image_starts", "states", …}, …]}

Decoding gives the `sequence.Document` that was encoded, up to the loss of JPEG; the batch is laid out by
`collate` when it is loaded, so a record holds no padding.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from polymath import wire
from polymath.data.files.images import decode, encode_jpeg
from polymath.data.sequences.augment import Augmentation
from polymath.data.sequences.sequence import Document, Layout
from polymath.data.sequences.transforms import augmented
from polymath.errors import DataError

ARRAYS = tuple(field.name for field in fields(Document) if field.name != "images")


@dataclass(frozen=True)
class Stored:
    """A document whose pictures are still encoded; picture i is of camera i % cameras."""

    document: Document
    jpegs: tuple[bytes, ...]
    cameras: int


def store(document: Document, cameras: int, quality: int) -> Stored:
    jpegs = tuple(encode_jpeg(image, quality) for image in document.images)
    return Stored(replace(document, images=document.images[:0]), jpegs, cameras)


def to_fields(stored: Stored) -> dict[str, Any]:
    arrays = {name: getattr(stored.document, name) for name in ARRAYS}
    return {**arrays, "jpegs": list(stored.jpegs), "cameras": stored.cameras}


def from_fields(values: dict[str, Any], layout: Layout, where: str) -> Stored:
    """Raises DataError if fields are missing or the pictures are not of the layout's kind."""
    try:
        empty = np.zeros((0, layout.image_size, layout.image_size, 3), np.uint8)
        document = Document(images=empty, **{name: values[name] for name in ARRAYS})
        return Stored(document, tuple(values["jpegs"]), int(values["cameras"]))
    except (KeyError, TypeError) as error:
        raise DataError(f"{where}: not a packed sequence ({error!r}); prepare the data set again", "schema") from None


def encode(documents: Sequence[Stored]) -> bytes:
    return wire.encode({"documents": [to_fields(stored) for stored in documents]})


def decode_record(data: bytes, layout: Layout, where: str) -> list[Stored]:
    """Raises DataError for bytes that are no record."""
    try:
        entries = wire.decode(data)["documents"]
    except (wire.WireError, KeyError) as error:
        raise DataError(f"{where}: not a packed sequence ({error}); prepare the data set again", "schema") from None
    return [from_fields(entry, layout, where) for entry in entries]


def load(
    stored: Stored, layout: Layout, augmentation: Augmentation | None, rng: np.random.Generator, where: str
) -> Document:
    """The document with its pictures decoded and augmented as `documents` does it."""
    if not stored.jpegs:
        return stored.document
    images = np.stack([decode(jpeg, f"{where}, picture {i}") for i, jpeg in enumerate(stored.jpegs)])
    views = images.reshape(-1, stored.cameras, *images.shape[1:])
    fitted = augmented(augmentation, views, layout, rng)
    return replace(stored.document, images=fitted.reshape(-1, *fitted.shape[2:]))
