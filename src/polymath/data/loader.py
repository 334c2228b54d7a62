"""Batches of packed rows: the batch at step n is a pure function of (seed, n), whatever the number of threads.

    row r of the stream ─ mixture ─► source s, its row k ─► epoch e = k // rows, place k % rows
                        ─ plan(seed, s, e) ─► documents ─ augmentation(seed, s, e, document) ─► collate

State is one integer, the step. Grain's MapDataset does the reading ahead: threads decode while the device computes.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import grain
import numpy as np

from polymath.data.documents import Documents
from polymath.data.loss_weights import Per, weigh
from polymath.data.mixture import mix
from polymath.data.packing import Rows, collate, pack
from polymath.data.sequence import Document, Layout
from polymath.errors import ConfigError
from polymath.types import Batch

LAST_STEP = 2**40
# Domains of the random numbers, so that a plan and an augmentation never share a stream.
PLAN, AUGMENT = 0, 1


@dataclass(frozen=True)
class Source:
    """Documents with their share of the rows; what `loss_weight` means is said in `loss_weights`."""

    documents: Documents
    weight: float = 1.0
    loss_weight: float = 1.0
    loss_per: Per = "token"


class Loader:
    """Raises ConfigError for an impossible mixture, DataError for a document that no row can hold."""

    def __init__(self, sources: Sequence[Source], layout: Layout, batch_rows: int, seed: int) -> None:
        if not sources or batch_rows < 1:
            raise ConfigError(
                f"loader: {len(sources)} sources and {batch_rows} rows a batch; give at least one of each"
            )
        self._sources, self._layout, self._seed = tuple(sources), layout, seed
        self.batch_rows = batch_rows
        self._mixture = mix([source.weight for source in sources])
        self._packed = [pack(s.documents.sizes, layout, s.documents.name) for s in sources]
        self._plan = functools.lru_cache(maxsize=2 * len(sources))(self._make_plan)

    def batch(self, step: int, rows: Sequence[int] | None = None) -> Batch:
        """The batch of `batch_rows` rows at `step`; only those of `rows`, if a process needs no others."""
        first, chosen = step * self.batch_rows, range(self.batch_rows) if rows is None else rows
        return collate([self._row(first + row) for row in chosen], self._layout)

    def iterate(
        self, start: int = 0, threads: int = 2, ahead: int = 4, rows: Sequence[int] | None = None
    ) -> Iterator[Batch]:
        """Batches start, start + 1, … without end, `ahead` of them prepared by `threads` in the background."""
        steps = grain.MapDataset.range(start, LAST_STEP).map(functools.partial(self.batch, rows=rows))
        return iter(steps.to_iter_dataset(grain.ReadOptions(num_threads=threads, prefetch_buffer_size=ahead)))

    def rows_per_epoch(self) -> dict[str, int]:
        """Rows that hold every document of a source once, by its name."""
        return {s.documents.name: len(rows) for s, rows in zip(self._sources, self._packed, strict=True)}

    def fill(self) -> dict[str, float]:
        """Share of the tokens of a source's rows that hold documents, by its name."""
        return {
            s.documents.name: float(s.documents.sizes.tokens.sum() / (len(rows) * self._layout.length))
            for s, rows in zip(self._sources, self._packed, strict=True)
        }

    def _row(self, row: int) -> list[Document]:
        source, k = self._mixture.locate(row)
        epoch, place = divmod(k, len(self._packed[source]))
        return [self._document(source, epoch, int(i)) for i in self._plan(source, epoch).row(place)]

    def _document(self, source: int, epoch: int, index: int) -> Document:
        rng = np.random.default_rng((self._seed, AUGMENT, source, epoch, index))
        chosen = self._sources[source]
        return weigh(chosen.documents.document(index, rng), chosen.loss_weight, chosen.loss_per)

    def _make_plan(self, source: int, epoch: int) -> Rows:
        return self._packed[source].shuffled(np.random.default_rng((self._seed, PLAN, source, epoch)))
