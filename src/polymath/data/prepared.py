"""Batches from prepared shards: a permutation computed from the index, a mixture by source, exact resume.

  row r of the stream ─ mixture ─► source s, its place k ─ permutation(seed, s, epoch) ─► record ─► documents ─► collate

The batch at step n is a pure function of (seed, n), whatever the number of hosts, workers or threads. Nothing that
grows with the number of records is held: an index of shards, and files that are opened when read.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from polymath import config
from polymath.data.augment import Augmentation
from polymath.data.loss_weights import Per, weigh
from polymath.data.mixture import mix
from polymath.data.packed_index import PackedIndex
from polymath.data.packing import collate
from polymath.data.prepare import record
from polymath.data.sequence import Document, Layout
from polymath.data.sources.array_records import Record
from polymath.errors import ConfigError, DataError
from polymath.types import Batch

ORDER, AUGMENT = 2, 3  # domains of the random numbers, beside those of `loader`


@dataclass(frozen=True)
class PreparedSource:
    """One folder of a prepared set and its share of the rows; see `loss_weights` for the loss."""

    folder: Path
    weight: float = 1.0
    loss_weight: float = 1.0
    loss_per: Per = "token"


class PreparedRows:
    """What `Loader` is for raw sets: `batch(step)`. Raises ConfigError or DataError for sets that do not fit."""

    def __init__(
        self,
        sources: Sequence[PreparedSource],
        layout: Layout,
        batch_rows: int,
        seed: int,
        augmentation: Augmentation | None = None,
    ) -> None:
        if not sources or batch_rows < 1:
            raise ConfigError(f"{len(sources)} prepared sources, {batch_rows} rows a batch; give at least one of each")
        self._sources, self._seed, self._augmentation = tuple(sources), seed, augmentation
        self.layout = layout
        self.batch_rows = batch_rows
        self._mixture = mix([source.weight for source in sources])
        self._indices = [PackedIndex.open(source.folder) for source in sources]

    def batch(self, step: int, rows: Sequence[int] | None = None) -> Batch:
        """The batch of `batch_rows` rows at `step`; only those of `rows`, if a process needs no others."""
        first, chosen = step * self.batch_rows, range(self.batch_rows) if rows is None else rows
        return collate([self._row(first + row) for row in chosen], self.layout)

    def place(self, row: int) -> tuple[int, int]:
        """(source, record) of a row of the stream."""
        source, k = self._mixture.locate(row)
        seed = int(np.random.SeedSequence((self._seed, ORDER, source)).generate_state(1)[0])
        return source, self._indices[source].shuffled(k, seed)

    def records(self) -> dict[str, int]:
        """Records of every source, by its folder."""
        return {s.folder.name: len(index) for s, index in zip(self._sources, self._indices, strict=True)}

    def _row(self, row: int) -> list[Document]:
        source, number = self.place(row)
        shard, place = self._indices[source].locate(number)
        found = Record(shard, place)
        chosen, documents = self._sources[source], []
        for n, stored in enumerate(record.decode_record(found.read(), self.layout, found.where)):
            rng = np.random.default_rng((self._seed, AUGMENT, row, n))
            document = record.load(stored, self.layout, self._augmentation, rng, found.where)
            documents.append(weigh(document, chosen.loss_weight, chosen.loss_per))
        return documents


def open_prepared(
    out: Path,
    batch_rows: int,
    seed: int,
    weights: dict[str, float] | None = None,
    augmentation: Augmentation | None = None,
) -> PreparedRows:
    """The sources of a prepared set, in the layout they were packed for.

    `weights` by folder; left out, every source counts by its records. Raises DataError if the set is not finished.
    """
    path = Path(out) / "prepared.json"
    if not path.is_file():
        raise DataError(f"{path}: no such file; `polymath data prepare` writes it last, run it to the end")
    summary = json.loads(path.read_text())
    layout = config.from_dict(Layout, summary["layout"], str(path))
    unknown = set(weights or {}) - set(summary["sources"])
    if unknown:
        raise ConfigError(f"{path}: has no source {sorted(unknown)[0]!r}, only {', '.join(summary['sources'])}")
    shares = weights or {name: facts["records"] for name, facts in summary["sources"].items() if facts["records"]}
    sources = [PreparedSource(Path(out) / name, share) for name, share in shares.items()]
    return PreparedRows(sources, layout, batch_rows, seed, augmentation)
