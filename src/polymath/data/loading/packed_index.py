"""Where record r of a prepared data set lies, for any number of records, in a few bytes a shard.

    SET/
      index.parquet               one row a shard, in order: name, records, documents, tokens
      shard-000000.array_record   `records` packed sequences, one a record
      …

Only shards are listed: of 1.5 billion pairs and 50 million trajectories, packed, that is a few hundred thousand
rows. The order of an epoch is a permutation that is computed index by index, so nothing grows with the number of
records.
"""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from grain.experimental import index_shuffle
from jaxtyping import Int

from polymath.errors import DataError
from polymath.files import atomic_write

SCHEMA = pa.schema([("name", pa.string()), ("records", pa.int32()), ("documents", pa.int64()), ("tokens", pa.int64())])
ROUNDS = 4  # of the permutation's Feistel network, as in grain.MapDataset.shuffle


@dataclass(frozen=True)
class Shard:
    """What a finished shard holds; `tokens` counts those of documents, not padding."""

    name: str
    records: int
    documents: int
    tokens: int


class PackedIndex:
    """The records of all shards as one range [0, len)."""

    def __init__(self, folder: Path, table: pa.Table) -> None:
        self.folder = folder
        self.documents = int(np.sum(table["documents"].to_numpy()))
        self.tokens = int(np.sum(table["tokens"].to_numpy()))
        self._names = table["name"].combine_chunks()
        self._ends: Int[np.ndarray, " shards"] = np.cumsum(table["records"].to_numpy(), dtype=np.int64)

    @classmethod
    def open(cls, folder: Path) -> "PackedIndex":
        """Raises DataError if the index is missing, damaged or empty, or if it counts a shard without records."""
        path = Path(folder) / "index.parquet"
        try:
            table = pq.read_table(path, schema=SCHEMA)
        except FileNotFoundError:
            raise DataError(
                f"{path}: no such file; `polymath data prepare` writes it last, run it to the end"
            ) from None
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path}: cannot be read ({error}); copy the data set again") from None
        if any(column.null_count for column in table.columns):
            raise DataError(f"{path}: a column of {', '.join(SCHEMA.names)} is missing; prepare the data set again")
        if not len(table) or np.min(table["records"].to_numpy()) < 1:
            raise DataError(f"{path}: lists no shard, or one without records; prepare the data set again")
        return cls(Path(folder), table)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def check_shards(self, files: frozenset[str]) -> None:
        """Raise DataError naming the first shard that is not among the `files` of the folder."""
        missing = [name for name in self._names.to_pylist() if name not in files]
        if missing:
            raise DataError(
                f"{self.folder / missing[0]}: no such file, nor {len(missing) - 1} more of {len(self._names)} shards; "
                "copy the whole data set",
                "truncated",
            )

    def locate(self, record: int) -> tuple[Path, int]:
        """The shard of a record and its place in it. Raises IndexError outside [0, len)."""
        if not 0 <= record < len(self):
            raise IndexError(f"record {record} of {len(self)}")
        shard = int(np.searchsorted(self._ends, record, side="right"))
        start = int(self._ends[shard - 1]) if shard else 0
        return self.folder / self._names[shard].as_py(), record - start

    def shuffled(self, place: int, seed: int) -> int:
        """The record at `place` of an endless order: every epoch is a permutation of its own, computed on the spot."""
        epoch, index = divmod(place, len(self))
        return int(index_shuffle(index, max_index=len(self) - 1, seed=_key(seed, epoch), rounds=ROUNDS))


@functools.lru_cache(maxsize=64)
def _key(seed: int, epoch: int) -> int:
    return int(np.random.SeedSequence((seed, epoch)).generate_state(1)[0])


def write_index(folder: Path, shards: list[Shard]) -> None:
    """Write index.parquet, whole or not at all."""
    columns = {field: [getattr(shard, field) for shard in shards] for field in SCHEMA.names}
    with atomic_write(Path(folder) / "index.parquet") as temporary:
        pq.write_table(pa.table(columns, schema=SCHEMA), temporary)
