"""Where each file of a tar stands, so that it can be read without the others.

    header | bytes, padded to 512 | header | bytes … | two blocks of zeros | zeros to the end, or another archive

Archives behind the first, as `cat a.tar b.tar` leaves them, are read too: `tarfile` stops at the first one's zeros.
"""

import posixpath
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from polymath.data.files.paths import read_range
from polymath.errors import DataError

BLOCK = 512
SCAN_BYTES = 1 << 20
COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


@dataclass(frozen=True, slots=True)
class Member:
    """Bytes `offset` to `offset + size` of a shard; `fault` says why they cannot be read as they stand there."""

    shard: Path
    name: str
    offset: int
    size: int
    fault: str = ""

    @property
    def where(self) -> str:
        return f"{self.shard}: {self.name}"

    def read(self) -> bytes:
        return read_range(self.shard, self.offset, self.size)


def members(shard: Path) -> Iterator[Member | None]:
    """The files of a shard in order, links as what they point to; not directories, nor what macOS adds. None stands
    where an archive ends whole.

    Raises DataError if it is missing, compressed, no tar, ends early, or has something else behind its end.
    """
    end, links = 0, dict[str, Member]()
    try:
        with shard.open("rb") as file:
            _refuse_compressed(file, shard)
            while True:
                begin = end
                file.seek(end)
                with tarfile.open(fileobj=file, mode="r:") as tar:
                    for info in tar:
                        end = tar.offset
                        member = _member(shard, info, links)
                        if member is not None:
                            links[member.name] = member
                            yield member
                if begin and end == begin:
                    raise DataError(
                        f"{shard}: what stands behind the archive, at byte {begin}, is no archive; write it again",
                        "truncated",
                    )
                end = _next_archive(file, end, shard)
                yield None
                if not end:
                    return
    except FileNotFoundError:
        raise DataError(f"{shard}: no such file; copy the whole data set") from None
    except (tarfile.TarError, OSError, ValueError) as error:
        message = f"{shard}: truncated or not a tar, after byte {end} ({error}); copy it again"
        raise DataError(message, "truncated") from None


def _member(shard: Path, info: tarfile.TarInfo, known: dict[str, Member]) -> Member | None:
    parts = info.name.split("/")
    if info.isdir() or parts[-1] == ".DS_Store" or parts[-1].startswith("._") or "__MACOSX" in parts:
        return None
    member = Member(shard, info.name, info.offset_data, info.size)
    if info.islnk() or info.issym():
        target = info.linkname if info.islnk() else posixpath.join(posixpath.dirname(info.name), info.linkname)
        linked = known.get(target) or known.get(posixpath.normpath(target))
        if linked is None:
            return replace(member, fault=f"is a link to {target}, which does not stand before it")
        return replace(linked, name=info.name)
    if info.issparse():
        return replace(member, fault="is stored as a sparse file")
    return member if info.isreg() else replace(member, fault="is no regular file")


def _refuse_compressed(file: BinaryIO, shard: Path) -> None:
    start = file.read(6)
    for magic, kind in COMPRESSED.items():
        if start.startswith(magic):
            raise DataError(
                f"{shard}: is compressed with {kind}, so its files have no place of their own; unpack it to a tar",
                "schema",
            )


def _next_archive(file: BinaryIO, end: int, shard: Path) -> int:
    """Where the archive behind this one begins; 0 if only zeros follow. DataError if the closing blocks are missing."""
    file.seek(end)
    if file.read(2 * BLOCK) != bytes(2 * BLOCK):  # POSIX: two blocks of zeros end an archive
        message = f"{shard}: truncated after byte {end}, the closing blocks are missing; copy it again"
        raise DataError(message, "truncated")
    position = end + 2 * BLOCK
    while chunk := file.read(SCAN_BYTES):
        rest = chunk.lstrip(b"\0")
        if rest:
            return (position + len(chunk) - len(rest)) // BLOCK * BLOCK
        position += len(chunk)
    return 0
