"""Batches of packed rows: the batch at step n is a pure function of (seed, n), whatever the number of threads,
worker processes or hosts.

    row r of the stream ─ mixture ─► source s, its row k ─► documents ─ committed actions, loss weights ─► collate

State is one integer, the step. A source packs its row k on the fly (`on_the_fly`) or reads it from
prepared shards (`prepared`). Grain reads ahead: threads, of several processes on request, decode while the
device computes.
"""

import functools
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import grain
import numpy as np

from polymath.data.loading.mixture import mix
from polymath.data.loading.resume import LoaderState
from polymath.data.loading.stand_ins import StandIns
from polymath.data.sequences.committed import drawn
from polymath.data.sequences.loss_weights import Per, weigh
from polymath.data.sequences.packing import collate
from polymath.data.sequences.sequence import Document, Layout
from polymath.errors import ConfigError
from polymath.types import Batch

LAST_STEP = 2**40
COMMIT = 4  # domain of the random numbers, beside those of `on_the_fly` and `prepared_rows`
Key = tuple[int, int]  # the seed of the run, the number of the source in the mixture


class RowStream(Protocol):
    """An endless stream of packed rows, `len` of them an epoch; row k is a pure function of (key, k).

    `identity` tells another data set of the same name apart, `name` is what people call it.
    """

    name: str
    identity: str

    def __len__(self) -> int: ...

    def row(self, key: Key, k: int) -> list[Document]: ...


@dataclass(frozen=True)
class Source:
    """A stream with its share of the rows; see `loss_weights` for `loss_weight` and `loss_per`.

    `committed`: the largest number of actions that a window gives; see `sequences.committed`.
    """

    stream: RowStream
    weight: float = 1.0
    loss_weight: float = 1.0
    loss_per: Per = "token"
    committed: int = 0


class Loader:
    """Raises ConfigError for an impossible mixture.

    A row that cannot be read is replaced by the rule of `stand_ins`; without them its DataError is raised.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        layout: Layout,
        batch_rows: int,
        seed: int,
        stand_ins: StandIns | None = None,
    ) -> None:
        if not sources or batch_rows < 1:
            raise ConfigError(
                f"loader: {len(sources)} sources and {batch_rows} rows a batch; give at least one of each"
            )
        self._sources, self._seed, self._stand_ins = tuple(sources), seed, stand_ins
        self.layout = layout
        self.batch_rows = batch_rows
        self._mixture = mix([source.weight for source in sources])
        self._commits = any(source.committed for source in sources)

    def batch(self, step: int, rows: Sequence[int] | None = None) -> Batch:
        """The batch of `batch_rows` rows at `step`; only those of `rows`, if a process needs no others."""
        first, chosen = step * self.batch_rows, range(self.batch_rows) if rows is None else rows
        return collate([self._row(first + row) for row in chosen], self.layout)

    def iterate(
        self, start: int = 0, threads: int = 2, ahead: int = 4, rows: Sequence[int] | None = None, workers: int = 0
    ) -> Iterator[Batch]:
        """Batches start, start + 1, … without end, `ahead` of them prepared in the background.

        By `threads` of this process, or of each of `workers` processes. Those are spawned, so the calling program
        needs its `if __name__ == "__main__"`, and every stream must be picklable, as prepared shards are.
        """
        steps = grain.MapDataset.range(start, LAST_STEP).map(functools.partial(self.batch, rows=rows))
        batches = steps.to_iter_dataset(grain.ReadOptions(num_threads=threads, prefetch_buffer_size=ahead))
        if workers:
            _parse_flags()
            batches = batches.mp_prefetch(
                grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=ahead)
            )
        return iter(batches)

    def state(self, step: int = 0) -> LoaderState:
        """Where the stream stands before the batch of `step`, to check another loader against."""
        sources: list[tuple] = [(s.stream.identity, s.weight, s.loss_weight, s.loss_per) for s in self._sources]
        if self._commits:
            sources = [(*source, s.committed) for source, s in zip(sources, self._sources, strict=True)]
        data = hashlib.blake2b(json.dumps(sources).encode(), digest_size=8).hexdigest()
        return LoaderState(step, self._seed, self.batch_rows, data)

    def rows_per_epoch(self) -> dict[str, int]:
        """Rows that hold every document of a source once, by its name."""
        return {source.stream.name: len(source.stream) for source in self._sources}

    def shares(self) -> list[tuple[RowStream, float]]:
        """Every stream with its share of the rows."""
        total = sum(source.weight for source in self._sources)
        return [(source.stream, source.weight / total) for source in self._sources]

    def place(self, row: int) -> tuple[int, int]:
        """(source, its own row k) of a row of the whole stream."""
        return self._mixture.locate(row)

    def _row(self, row: int) -> list[Document]:
        number, k = self._mixture.locate(row)
        source = self._sources[number]
        documents = self._documents(source.stream, (self._seed, number), k)
        if self._commits:
            generators = (np.random.default_rng((self._seed, COMMIT, row, n)) for n in range(len(documents)))
            documents = [
                drawn(document, source.committed, rng) for document, rng in zip(documents, generators, strict=False)
            ]
        return [weigh(document, source.loss_weight, source.loss_per) for document in documents]

    def _documents(self, stream: RowStream, key: Key, k: int) -> list[Document]:
        row = functools.partial(stream.row, key)
        return row(k) if self._stand_ins is None else self._stand_ins.read(row, k, len(stream), stream.name)


def _parse_flags() -> None:
    """grain's processes ask absl for flags, which must have parsed a command line first."""
    from absl import flags

    if not flags.FLAGS.is_parsed():
        flags.FLAGS(["polymath"])
