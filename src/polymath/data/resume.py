"""Where a loader stands, as one small record that restores on any number of hosts and workers that divides the batch.

    state = {"step": 1200, "seed": 0, "batch_rows": 2048, "data": "…"}

`rows_of` gives a host its rows of every batch; a process of grain's reads ahead without changing what comes out.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import grain

from polymath import config
from polymath.errors import ConfigError
from polymath.types import Batch

LAST_STEP = 2**40


class Batches(Protocol):
    """`Loader` or `PreparedRows`."""

    batch_rows: int

    def batch(self, step: int, rows: Sequence[int] | None = None) -> Batch: ...


@dataclass(frozen=True)
class LoaderState:
    """`step` is the next batch; `data` names the data set, so that a state is not restored over another one."""

    step: int
    seed: int
    batch_rows: int
    data: str

    def save(self, path: Path) -> None:
        config.save(self, path)

    def check(self, other: "LoaderState", path: Path) -> int:
        """The step to go on with. Raises ConfigError if `other`, found at `path`, is of another stream."""
        for name in ("seed", "batch_rows", "data"):
            ours, theirs = getattr(self, name), getattr(other, name)
            if ours != theirs:
                raise ConfigError(
                    f"{path}, {name}: {theirs!r} there, but {ours!r} is asked for; the order would differ"
                )
        return other.step


def load_state(path: Path) -> LoaderState:
    return config.load(LoaderState, path)


def rows_of(host: int, hosts: int, batch_rows: int) -> range:
    """The rows of every batch that a host loads. Raises ConfigError unless the hosts divide the batch."""
    if hosts < 1 or not 0 <= host < hosts or batch_rows % hosts:
        raise ConfigError(f"host {host} of {hosts}: {batch_rows} rows a batch must be a multiple of the hosts")
    share = batch_rows // hosts
    return range(host * share, (host + 1) * share)


@dataclass(frozen=True)
class _HostBatch:
    """A picklable step -> batch."""

    batches: Batches
    rows: Sequence[int] | None

    def __call__(self, step: int) -> Batch:
        return self.batches.batch(step, self.rows)


def iterate(
    batches: Batches,
    start: int = 0,
    rows: Sequence[int] | None = None,
    threads: int = 2,
    ahead: int = 4,
    workers: int = 0,
) -> Iterator[Batch]:
    """Batches start, start + 1, … without end, prepared in the background by threads, of `workers` processes if any.

    The processes are spawned: the calling program needs its `if __name__ == "__main__"`.
    """
    steps = grain.MapDataset.range(start, LAST_STEP).map(_HostBatch(batches, rows))
    found = steps.to_iter_dataset(grain.ReadOptions(num_threads=threads, prefetch_buffer_size=ahead))
    if workers:
        _parse_flags()
        found = found.mp_prefetch(grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=ahead))
    return iter(found)


def _parse_flags() -> None:
    """grain's processes ask absl for flags, which wants to have seen the command line."""
    from absl import flags

    if not flags.FLAGS.is_parsed():
        flags.FLAGS(["polymath"])


def describe(out: Path) -> str:
    """What identifies a prepared set: the hash of what prepared.json says."""
    return hashlib.blake2b(json.dumps(json.loads((Path(out) / "prepared.json").read_text())).encode()).hexdigest()[:16]
