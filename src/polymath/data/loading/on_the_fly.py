"""Rows packed on the fly from a plan computed from the documents' lengths, so that a raw data set needs no preparation.

row k ─► epoch e = k // rows, place k % rows ─► plan(seed, source, e) ─► documents, augmented by (…, e, document)
"""

import functools
import hashlib

import numpy as np

from polymath.data.loading.loader import Key
from polymath.data.sequences.documents import Documents
from polymath.data.sequences.packing import Rows, pack
from polymath.data.sequences.sequence import Document, Layout

# Domains of the random numbers, so that a plan and an augmentation never share a stream.
PLAN, AUGMENT = 0, 1


class OnTheFly:
    """Packed rows of raw documents. Raises DataError for a document that no row can hold."""

    def __init__(self, documents: Documents, layout: Layout) -> None:
        self.name, self.layout = documents.name, layout
        self._documents = documents
        self._packed = pack(documents.sizes, layout, documents.name)
        self.identity = hashlib.blake2b(documents.sizes.table().tobytes(), digest_size=8).hexdigest()
        self._plan = functools.lru_cache(maxsize=2)(self._make_plan)

    def __len__(self) -> int:
        return len(self._packed)

    def fill(self) -> float:
        """Share of the rows' tokens that hold documents."""
        return float(self._documents.sizes.tokens.sum() / (len(self) * self.layout.length))

    def documents(self) -> int:
        """How many documents an epoch holds."""
        return len(self._documents.sizes.tokens)

    def row(self, key: Key, k: int) -> list[Document]:
        epoch, place = divmod(k, len(self))
        return [self._document(key, epoch, int(i)) for i in self._plan(key, epoch).row(place)]

    def _document(self, key: Key, epoch: int, index: int) -> Document:
        seed, source = key
        return self._documents.document(index, np.random.default_rng((seed, AUGMENT, source, epoch, index)))

    def _make_plan(self, key: Key, epoch: int) -> Rows:
        seed, source = key
        return self._packed.shuffled(np.random.default_rng((seed, PLAN, source, epoch)))
