"""Reading WebDataset shards of image-text pairs with random access, by an index of where each member stands."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from polymath.data.files.images import decode
from polymath.data.files.paths import locate, unread_subfolders, without_hidden
from polymath.data.files.quarantine import OnBad, refuse
from polymath.data.formats.captions import NAMES, caption
from polymath.data.formats.webdataset.tar import Member, members
from polymath.errors import DataError
from polymath.types import ImageText, Pointing

PICTURES = ("jpg", "jpeg", "png", "webp")
SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst")


class WebDatasetPairs:
    """The pairs of a shard, or of all *.tar of a directory in the order of their names, as `interface.PairSet`.

    The caption is KEY.txt, else `caption` or `text` of KEY.json; of a list of captions the first. Captions are read
    when the set is opened, pictures when asked for; methods may be called from threads. Raises DataError naming shard
    and key for a truncated or compressed shard, a sample without picture or text or with a member twice, a key that
    comes again later, a damaged picture; with another `on_bad` such samples, and what follows a damage, are reported
    and left out. `notes` name subfolders, which are not read.
    """

    def __init__(self, path: Path, on_bad: OnBad = refuse) -> None:
        self.path, self.name = locate(path), str(path)
        self.notes = unread_subfolders(self.path, SUFFIXES)
        shards = shards_of(self.path)
        if not shards:
            raise DataError(f"{path}: holds no *.tar; point to a directory of WebDataset shards")
        self._pictures: list[Member] = []
        self._texts: list[str] = []
        self._facts: list[Member | None] = []
        for shard in shards:
            self._add_shard(shard, on_bad)
        if not self._texts and on_bad is refuse:
            raise DataError(f"{path}: holds no pair; point to shards of KEY.jpg and KEY.txt")
        recording = self.path / "recording.json"
        self.recording: dict[str, Any] = _read_recording(recording) if recording.is_file() else {}

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, index: int) -> ImageText:
        return ImageText(self.image(index), self.text(index))

    def text(self, index: int) -> str:
        return self._texts[index]

    def row_name(self, index: int) -> str:
        """Shard and key."""
        member = self._pictures[index]
        return f"{member.shard.name}: {member.name.rpartition('.')[0]}"

    def image(self, index: int) -> UInt8[np.ndarray, "height width 3"]:
        member = self._pictures[index]
        return decode(member.read(), member.where)

    def pointing(self, index: int) -> Pointing | None:
        """The question of the sample's json member and where its answer lies, if there is one."""
        member = self._facts[index]
        question = _facts(member).get("pointing") if member else None
        if not question:
            return None
        assert member is not None
        try:
            targets, mask = np.array(question["targets"], np.float32), np.array(question["mask"], bool)
            return Pointing(caption(question["question"], member.where), targets, mask)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{member.where}, pointing: not a question with targets and mask ({error!r}); write it again", "schema"
            ) from None

    def _add_shard(self, shard: Path, on_bad: OnBad) -> None:
        key, keys = "", set[str]()
        try:
            for key, sample in samples(shard):
                try:
                    if key in keys:
                        raise DataError(
                            f"{shard}: sample {key!r} comes a second time; give each a key of its own", "duplicate"
                        )
                    self._add(shard, key, sample)
                except DataError as error:
                    on_bad(str(shard), key, error)
                keys.add(key)
        except DataError as error:
            on_bad(str(shard), f"after {key}" if key else "", error)

    def _add(self, shard: Path, key: str, sample: list[tuple[str, Member]]) -> None:
        parts = dict(sample)
        if len(parts) < len(sample):
            kinds = [kind for kind, _ in sample]
            doubled = next(kind for kind in kinds if kinds.count(kind) > 1)
            raise DataError(f"{shard}: sample {key!r} has its .{doubled} twice; write the shard again", "duplicate")
        for member in parts.values():
            if member.fault:
                raise DataError(f"{member.where}: {member.fault}; write the shard with plain files", "schema")
        picture = next((parts[kind] for kind in PICTURES if kind in parts), None)
        there = ", ".join(parts)
        if picture is None:
            raise DataError(
                f"{shard}: sample {key!r} has no picture ({', '.join(PICTURES)}), only {there}; write the shard again",
                "schema",
            )
        text = _caption(parts)
        if text is None:
            raise DataError(
                f"{shard}: sample {key!r} has no {key}.txt, nor a json with a caption, only {there}; write it again",
                "schema",
            )
        self._pictures.append(picture)
        self._texts.append(text)
        self._facts.append(parts.get("json"))


def shards_of(path: Path) -> list[Path]:
    """The file itself, or the tars of a directory in order; compressed ones too, which are refused when opened."""
    if not path.is_dir():
        return [path]
    return without_hidden(sorted(file for file in path.iterdir() if _is_shard(file)))


def has_shards(path: Path) -> bool:
    return bool(shards_of(path)) if path.is_dir() else _is_shard(path)


def samples(shard: Path) -> Iterator[tuple[str, list[tuple[str, Member]]]]:
    """(key, its members with their extensions) in order: a sample is a run of members with one name before the dot."""
    current, sample = "", list[tuple[str, Member]]()
    for member in members(shard):
        if member is None:  # no sample reaches across the end of an archive
            if sample:
                yield current, sample
            current, sample = "", []
            continue
        folder, _, base = member.name.rpartition("/")
        stem, _, kind = base.partition(".")
        key = f"{folder}/{stem}" if folder else stem
        if key != current and sample:
            yield current, sample
            sample = []
        current = key
        sample.append((kind.lower(), member))


def _is_shard(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES)


def _caption(parts: dict[str, Member]) -> str | None:
    """None if no member has one."""
    if "txt" in parts:
        return caption(parts["txt"].read(), parts["txt"].where)
    facts = _facts(parts["json"]) if "json" in parts else {}
    name = next((name for name in NAMES if name in facts), None)
    return None if name is None else caption(facts[name], f"{parts['json'].where}, {name}")


def _facts(member: Member) -> dict[str, Any]:
    try:
        facts = json.loads(member.read())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{member.where}: not valid JSON ({error}); write it again", "schema") from None
    if not isinstance(facts, dict):
        raise DataError(f"{member.where}: is no JSON object; write it again", "schema")
    return facts


def _read_recording(path: Path) -> dict[str, Any]:
    try:
        recording = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON ({error}); copy the data set again") from None
    if not isinstance(recording, dict):
        raise DataError(f"{path}: is no JSON object; copy the data set again")
    return recording
