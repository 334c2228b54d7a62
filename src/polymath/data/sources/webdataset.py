"""Reading WebDataset shards of image-text pairs with random access, by an index of where each member stands."""

import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from polymath.data.images import decode
from polymath.errors import DataError
from polymath.types import ImageText, Pointing

PICTURES = ("jpg", "jpeg", "png", "webp")
TAR_BLOCK = 512


@dataclass(frozen=True)
class Member:
    """Bytes `offset` to `offset + size` of a shard."""

    shard: Path
    name: str
    offset: int
    size: int

    def read(self) -> bytes:
        with self.shard.open("rb") as file:
            return os.pread(file.fileno(), self.size, self.offset)


class WebDatasetPairs:
    """The pairs of a shard, or of all *.tar of a directory in the order of their names, as `interface.PairSet`.

    Captions are read when the set is opened, pictures when asked for; methods may be called from threads. Raises
    DataError naming shard and member for a truncated shard, a sample without picture or text, a damaged picture.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.name = Path(path), str(path)
        shards = sorted(self.path.glob("*.tar")) if self.path.is_dir() else [self.path]
        if not shards:
            raise DataError(f"{path}: holds no *.tar; point to a directory of WebDataset shards")
        self._pictures: list[Member] = []
        self._texts: list[str] = []
        self._facts: list[Member | None] = []
        for shard in shards:
            for key, members in samples(shard):
                self._add(shard, key, members)
        recording = self.path / "recording.json"
        self.recording: dict[str, Any] = json.loads(recording.read_text()) if recording.is_file() else {}

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, index: int) -> ImageText:
        return ImageText(self.image(index), self.text(index))

    def text(self, index: int) -> str:
        return self._texts[index]

    def image(self, index: int) -> UInt8[np.ndarray, "height width 3"]:
        member = self._pictures[index]
        return decode(member.read(), f"{member.shard}: {member.name}")

    def pointing(self, index: int) -> Pointing | None:
        """The question of the sample's json member and where its answer lies, if there is one."""
        member = self._facts[index]
        asked = json.loads(member.read()).get("pointing") if member else None
        return (
            Pointing(asked["question"], np.array(asked["targets"], np.float32), np.array(asked["mask"], bool))
            if asked
            else None
        )

    def _add(self, shard: Path, key: str, members: dict[str, Member]) -> None:
        picture = next((members[kind] for kind in PICTURES if kind in members), None)
        if picture is None:
            raise DataError(f"{shard}: sample {key!r} has no picture ({', '.join(PICTURES)}); write the shard again")
        if "txt" not in members:
            raise DataError(f"{shard}: sample {key!r} has no {key}.txt; write the shard again")
        self._pictures.append(picture)
        self._texts.append(read_text(members["txt"]))
        self._facts.append(members.get("json"))


def samples(shard: Path) -> Iterator[tuple[str, dict[str, Member]]]:
    """(key, its members by extension) in order; a sample is a run of members with the same name before the dot."""
    current, members = "", dict[str, Member]()
    for member in _members(shard):
        folder, _, base = member.name.rpartition("/")
        stem, _, kind = base.partition(".")
        key = f"{folder}/{stem}" if folder else stem
        if key != current and members:
            yield current, members
            members = {}
        current = key
        members[kind.lower()] = member
    if members:
        yield current, members


def read_text(member: Member) -> str:
    """A caption. Raises DataError if it is empty or no UTF-8."""
    try:
        text = member.read().decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{member.shard}: {member.name}: not UTF-8 ({error.reason}); convert the captions") from None
    if not text.strip():
        raise DataError(f"{member.shard}: {member.name}: the caption is empty; write one or drop the sample")
    return text


def _members(shard: Path) -> Iterator[Member]:
    """The files of a tar. DataError if it is missing, no tar, or ends early."""
    try:
        end = 0
        with tarfile.open(shard, "r:") as tar:
            for info in tar:
                end = info.offset_data + -(-info.size // TAR_BLOCK) * TAR_BLOCK
                if info.isfile():
                    yield Member(shard, info.name, info.offset_data, info.size)
    except FileNotFoundError:
        raise DataError(f"{shard}: no such file; copy the whole data set") from None
    except (tarfile.TarError, OSError) as error:
        raise DataError(f"{shard}: truncated or not a tar, after byte {end} ({error}); copy it again") from None
    with shard.open("rb") as file:
        closing = os.pread(file.fileno(), 2 * TAR_BLOCK, end)
    if closing != bytes(2 * TAR_BLOCK):  # POSIX: two blocks of zeros end an archive
        raise DataError(f"{shard}: truncated after byte {end}, the closing blocks are missing; copy it again")
