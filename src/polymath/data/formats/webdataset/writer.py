"""Writing image-text pairs as WebDataset shards.

    DIRECTORY/
      shard-000000.tar      000000000.jpg  000000000.txt  [000000000.json]  000000001.jpg …
      recording.json        what made the pictures

The same pairs give the same bytes: members carry no time and no owner.
"""

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polymath.data.files.images import encode_jpeg
from polymath.data.files.whole_writer import WholeDirectoryWriter
from polymath.errors import DataError
from polymath.types import ImageText


class WebDatasetWriter(WholeDirectoryWriter):
    """`with WebDatasetWriter(out) as writer: writer.add(pair)`: the directory appears whole at last or not at all."""

    def __init__(
        self, out: Path, pairs_per_shard: int = 1000, quality: int = 95, metadata: Mapping[str, Any] | None = None
    ) -> None:
        self._per_shard, self._quality, self._metadata = pairs_per_shard, quality, dict(metadata or {})
        self._count = 0
        self._shard: tarfile.TarFile | None = None
        super().__init__(out)  # last, because it creates a directory
        self._stack.callback(self._close_shard)

    def add(self, pair: ImageText, extra: Mapping[str, Any] | None = None) -> None:
        """Append a pair, `extra` as its json member. Raises DataError for an empty caption."""
        if not pair.text.strip():
            raise DataError(f"pair {self._count}.text: is empty; write a caption or drop the pair")
        if self._count % self._per_shard == 0:
            self._close_shard()
            name = f"shard-{self._count // self._per_shard:06d}.tar"
            self._shard = tarfile.open(self._root / name, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
        members = {"jpg": encode_jpeg(pair.image, self._quality), "txt": pair.text.encode()}
        if extra is not None:
            members["json"] = json.dumps(extra).encode()
        for kind, data in members.items():
            self._write(f"{self._count:09d}.{kind}", data)
        self._count += 1

    def close(self) -> None:
        """Finish the last shard and give the directory its name. Raises DataError if no pair was added."""
        with self._stack:
            if not self._count:
                raise DataError("no image-text pair was recorded; nothing was written")
            self._close_shard()
            (self._root / "recording.json").write_text(json.dumps(self._metadata, indent=4) + "\n")

    def _write(self, name: str, data: bytes) -> None:
        assert self._shard is not None
        member = tarfile.TarInfo(name)
        member.size = len(data)
        self._shard.addfile(member, io.BytesIO(data))

    def _close_shard(self) -> None:
        shard, self._shard = self._shard, None
        if shard is not None:
            shard.close()
