"""Which rows make which shard: fixed before any work, stored, and the same whenever and wherever the work goes on.

OUT/prepared.json                     written last: the sources, their sizes, the layout
OUT/plan.json                         this plan; another one in the same directory is an error
OUT/tokenizer.json
OUT/00-NAME/shard-000000.array_record …   index.parquet, and of a robot embodiment.json and statistics.json
OUT/quarantine.parquet                bad rows: source, file, row, kind, reason
OUT/dropped.parquet                   rows that a filter left out, with the reason
OUT/card.html
OUT/.work/                            finished units; removed at the end
"""

import hashlib
import re
from collections.abc import Sequence
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

    def parts(self) -> list[Part]:
        """Every unit of work, in the order of sources and rows."""
        return [
            Part(s, n, n * source.per_shard, min((n + 1) * source.per_shard, source.rows))
            for s, source in enumerate(self.sources)
            for n in range(source.parts)
        ]


def folder_name(number: int, name: str) -> str:
    """00-episodes: the place's last part, in letters that every file system has."""
    place = name.partition("?")[0].rstrip("/").rpartition("/")[2].rpartition(":")[2]
    return f"{number:02d}-{re.sub(r'[^A-Za-z0-9._-]+', '-', place)[:40]}"


def file_hash(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


def same(out: Path, names: Sequence[str], layout: Layout, settings: Settings, tokenizer: Path) -> Plan:
    """The plan that is there. Raises ConfigError naming what differs if it is not the one asked for."""
    former = load(out)
    for field, there, asked in (
        ("sources", [source.name for source in former.sources], list(names)),
        ("layout", former.layout, layout),
        ("settings", former.settings, settings),
        ("tokenizer", former.tokenizer, file_hash(tokenizer)),
    ):
        if there != asked:
            raise ConfigError(
                f"{out / 'plan.json'}: {field} is another one there; choose another directory, or the same sources and "
                "settings to go on"
            )
    return former


def load(out: Path) -> Plan:
    return config.load(Plan, out / "plan.json")
