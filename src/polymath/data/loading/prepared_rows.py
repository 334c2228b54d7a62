"""The records of a folder of prepared shards as a stream of rows.

  row k ─ permutation(seed, source, epoch) ─► record ─► documents, pictures decoded and augmented

Nothing that grows with the number of records is held: an index of shards, and files that are opened when read.
"""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from polymath.data.files.array_records import Record
from polymath.data.loading.loader import Key
from polymath.data.loading.packed_index import PackedIndex
from polymath.data.loading.record import Stored, decode_record, load
from polymath.data.sequences.augment import Augmentation
from polymath.data.sequences.sequence import Document, Layout

ORDER, AUGMENT = 2, 3  # domains of the random numbers, beside those of `on_the_fly`


class PreparedRows:
    """The records of one folder as a `RowStream`. Raises DataError if its index or a shard is missing."""

    def __init__(self, folder: Path, layout: Layout, augmentation: Augmentation | None = None) -> None:
        self.name, self._layout, self._augmentation = folder.name, layout, augmentation
        self._index = PackedIndex.open(folder)
        self._index.check_shards(frozenset(os.listdir(folder)))
        index_and_plan = (folder / "index.parquet").read_bytes() + (folder.parent / "plan.json").read_bytes()
        self.identity = hashlib.blake2b(index_and_plan, digest_size=8).hexdigest()

    def __len__(self) -> int:
        return len(self._index)

    def record(self, key: Key, k: int) -> int:
        """The number of the record that is row k."""
        seed, source = key
        order = int(np.random.SeedSequence((seed, ORDER, source)).generate_state(1)[0])
        return self._index.shuffled(k, order)

    def row(self, key: Key, k: int) -> list[Document]:
        seed, source = key
        record = Record(*self._index.locate(self.record(key, k)))
        stored = decode_record(record.read(), self._layout, record.where)
        return [
            self._document(document, np.random.default_rng((seed, AUGMENT, source, k, n)), record.where)
            for n, document in enumerate(stored)
        ]

    def _document(self, stored: Stored, rng: np.random.Generator, where: str) -> Document:
        return widened(load(stored, self._layout, self._augmentation, rng, where), self._layout)


def widened(document: Document, layout: Layout) -> Document:
    """The document with its states and actions padded to the layout's widths."""
    steps, state, action = len(document.states), layout.state_dim, layout.action_dim
    if document.states.shape[1] == state and document.actions.shape[1:] == (layout.chunk_length, action):
        return document
    if not steps:
        return replace(
            document,
            states=np.zeros((0, state), np.float32),
            actions=np.zeros((0, layout.chunk_length, action), np.float32),
            action_mask=np.zeros((0, layout.chunk_length, action), bool),
            readout_positions=np.zeros((0, layout.chunk_length), np.int32),
        )
    more = ((0, 0), (0, 0), (0, action - document.actions.shape[2]))
    return replace(
        document,
        states=np.pad(document.states, ((0, 0), (0, state - document.states.shape[1]))),
        actions=np.pad(document.actions, more),
        action_mask=np.pad(document.action_mask, more),
    )
