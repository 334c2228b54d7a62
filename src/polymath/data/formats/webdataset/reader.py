"""Reading WebDataset shards of image-text pairs with random access, by an index of where each member stands."""

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from polymath.data.files.images import decode
from polymath.data.files.paths import locate, read_range
from polymath.data.files.quarantine import OnBad, refuse
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
        return read_range(self.shard, self.offset, self.size)


class WebDatasetPairs:
    """The pairs of a shard, or of all *.tar of a directory in the order of their names, as `interface.PairSet`.

    Captions are read when the set is opened, pictures when asked for; methods may be called from threads. Raises
    DataError naming shard and member for a truncated shard, a sample without picture or text, a damaged picture; with
    another `on_bad` such samples, and what follows a damage, are reported and left out.
    """

    def __init__(self, path: Path, on_bad: OnBad = refuse) -> None:
        self.path, self.name = locate(path), str(path)
        shards = sorted(self.path.glob("*.tar")) if self.path.is_dir() else [self.path]
        if not shards:
            raise DataError(f"{path}: holds no *.tar; point to a directory of WebDataset shards")
        self._pictures: list[Member] = []
        self._texts: list[str] = []
        self._facts: list[Member | None] = []
        for shard in shards:
            self._add_shard(shard, on_bad)
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

    def _add_shard(self, shard: Path, on_bad: OnBad) -> None:
        key = ""
        try:
            for key, members in samples(shard):
                try:
                    self._add(shard, key, members)
                except DataError as error:
                    on_bad(str(shard), key, error)
        except DataError as error:
            on_bad(str(shard), f"after {key}" if key else "", error)

    def _add(self, shard: Path, key: str, members: dict[str, Member]) -> None:
        picture = next((members[kind] for kind in PICTURES if kind in members), None)
        if picture is None:
            raise DataError(
                f"{shard}: sample {key!r} has no picture ({', '.join(PICTURES)}); write the shard again", "schema"
            )
        if "txt" not in members:
            raise DataError(f"{shard}: sample {key!r} has no {key}.txt; write the shard again", "schema")
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
        message = f"{member.shard}: {member.name}: not UTF-8 ({error.reason}); convert the captions"
        raise DataError(message, "schema") from None
    if not text.strip():
        raise DataError(
            f"{member.shard}: {member.name}: the caption is empty; write one or drop the sample", "instruction"
        )
    return text


def _members(shard: Path) -> Iterator[Member]:
    """The files of a tar. DataError if it is missing, no tar, or ends early."""
    end = 0
    try:
        with shard.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for info in tar:
                end = info.offset_data + -(-info.size // TAR_BLOCK) * TAR_BLOCK
                if info.isfile():
                    yield Member(shard, info.name, info.offset_data, info.size)
            file.seek(end)
            closing = file.read(2 * TAR_BLOCK)
    except FileNotFoundError:
        raise DataError(f"{shard}: no such file; copy the whole data set") from None
    except (tarfile.TarError, OSError) as error:
        message = f"{shard}: truncated or not a tar, after byte {end} ({error}); copy it again"
        raise DataError(message, "truncated") from None
    if closing != bytes(2 * TAR_BLOCK):  # POSIX: two blocks of zeros end an archive
        message = f"{shard}: truncated after byte {end}, the closing blocks are missing; copy it again"
        raise DataError(message, "truncated")
