"""Episodes, pairs or documents, and documents behind the interface of pairs."""

from typing import Any

import numpy as np
from jaxtyping import UInt8

from polymath.data.files.images import decode
from polymath.data.interface import InterleavedSet, PairSet

BLANK_SIZE = 160  # pixels of the black square that stands for a document without pictures


def is_episodes(source: Any) -> bool:
    return hasattr(source, "embodiment")


def as_pairs(source: Any) -> PairSet:
    """Pairs as they are, documents as their first picture and their text."""
    return FirstPictures(source) if hasattr(source, "document") else source


class FirstPictures:
    """Documents behind the interface of pairs."""

    def __init__(self, documents: InterleavedSet) -> None:
        self._documents, self.name = documents, documents.name

    def __len__(self) -> int:
        return len(self._documents)

    def text(self, index: int) -> str:
        return " ".join(part for part in self._documents.document(index).parts if isinstance(part, str))

    def image(self, index: int) -> UInt8[np.ndarray, "height width 3"]:
        """Black if there is none."""
        pictures = [part for part in self._documents.document(index).parts if isinstance(part, bytes)]
        blank = np.zeros((BLANK_SIZE, BLANK_SIZE, 3), np.uint8)
        return decode(pictures[0], f"{self.name}: document {index}") if pictures else blank
