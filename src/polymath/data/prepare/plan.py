"""Which rows make which shard: fixed before any work, stored, and the same whenever and wherever the work continues.

OUT/prepared.json                     written last: the sources, their sizes, the layout
OUT/plan.json                         this plan; another one in the same directory is an error
OUT/tokenizer.json
OUT/00-NAME/shard-000000.array_record …   index.parquet, and of a robot embodiment.json and statistics.json
OUT/quarantine.parquet                bad rows: source, file, row, kind, reason
OUT/dropped.parquet                   rows that a filter left out, with the reason
OUT/card.html
OUT/.work/                            finished units, see `work`; removed at the end
"""

import functools
import hashlib
import itertools
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from polymath import config
from polymath.data.prepare.settings import Settings
from polymath.data.sequences.sequence import Layout
from polymath.errors import ConfigError


@dataclass(frozen=True)
class PlannedSource:
    """`rows` are those that could be opened; `per_shard` of them make a shard. `renderer`: of simulated episodes."""

    name: str
    folder: str
    kind: str
    rows: int
    per_shard: int
    renderer: str | None = None

    @property
    def parts(self) -> int:
        return -(-self.rows // self.per_shard)


@dataclass(frozen=True)
class Part:
    """Rows [start, stop) of a source; they become one shard."""

    source: int
    number: int
    start: int
    stop: int


@dataclass(frozen=True)
class Plan:
    """`tokenizer` is the hash of its file."""

    sources: tuple[PlannedSource, ...]
    layout: Layout
    settings: Settings
    tokenizer: str

    @functools.cached_property
    def _ends(self) -> tuple[int, ...]:
        """Per source the number of units up to its last one."""
        return tuple(itertools.accumulate(source.parts for source in self.sources))

    @property
    def units(self) -> int:
        """How many parts there are; each is a unit of work."""
        return self._ends[-1]

    def part(self, unit: int) -> Part:
        """Part number `unit`, in the order of sources and rows. Raises IndexError outside [0, units)."""
        if not 0 <= unit < self.units:
            raise IndexError(f"unit {unit} of {self.units}")
        source = bisect_right(self._ends, unit)
        return self._part(source, unit - (self._ends[source - 1] if source else 0))

    def parts_of(self, source: int) -> Iterator[Part]:
        """The parts of one source, in order."""
        return (self._part(source, number) for number in range(self.sources[source].parts))

    def _part(self, source: int, number: int) -> Part:
        planned = self.sources[source]
        start = number * planned.per_shard
        return Part(source, number, start, min(start + planned.per_shard, planned.rows))


def folder_name(number: int, name: str) -> str:
    """00-episodes: the place's last part, in letters that every file system has."""
    place = name.partition("?")[0].rstrip("/").rpartition("/")[2].rpartition(":")[2]
    return f"{number:02d}-{re.sub(r'[^A-Za-z0-9._-]+', '-', place)[:40]}"


def file_hash(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


def same(out: Path, names: Sequence[str], layout: Layout, settings: Settings, tokenizer: Path) -> Plan:
    """The stored plan. Raises ConfigError naming what differs if it was made for other sources or settings."""
    former = load(out)
    for field, stored, requested in (
        ("sources", [source.name for source in former.sources], list(names)),
        ("layout", former.layout, layout),
        ("settings", former.settings, settings),
        ("tokenizer", former.tokenizer, file_hash(tokenizer)),
    ):
        if stored != requested:
            raise ConfigError(
                f"{out / 'plan.json'}: {field} is another one there; choose another directory, or give the same "
                "sources and settings to continue"
            )
    return former


def load(out: Path) -> Plan:
    return config.load(Plan, out / "plan.json")
