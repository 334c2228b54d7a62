"""Where data lies: a local path, or a URL that fsspec opens (hf://, gs://, s3://, memory://).

Readers take a `Path`. A URL becomes a `UPath`, which has the same methods (glob, open, stat, …) and reads byte ranges,
so that nothing is downloaded as a whole; `readable` is for libraries that want a file name or an open file.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, cast

from polymath.errors import ConfigError


def locate(where: str | Path) -> Path:
    """A Path, or for `scheme://…` a UPath. Raises ConfigError naming the package that a scheme needs."""
    text = str(where)
    if not isinstance(where, str) or "://" not in text:
        return Path(where) if isinstance(where, str) else where
    if text.startswith("file://"):
        return Path(text.removeprefix("file://"))
    try:
        from upath import UPath

        path = UPath(text)
        _ = path.fs
    except ImportError as error:
        raise ConfigError(f"{text}: {error}; install polymath-v[data] and the driver of this scheme") from None
    except ValueError as error:
        raise ConfigError(f"{text}: {error}; fsspec knows gs://, s3://, hf:// and others") from None
    return cast(Path, path)


def place_and_query(name: str) -> tuple[str, str]:
    """`PLACE?QUERY` in two. A question mark that belongs to a place that is there stays with it."""
    if "://" not in name:
        cuts = [position for position, letter in enumerate(name) if letter == "?"]
        for cut in (len(name), *reversed(cuts)):
            place = name[:cut]
            if os.path.exists(place) or os.path.exists(place.partition(":")[2]):
                return place, name[cut + 1 :]
    place, _, query = name.partition("?")
    return place, query


def is_local(path: Path) -> bool:
    return isinstance(path, Path)


def readable(path: Path) -> str | BinaryIO:
    """The file name of a local path, else the open file. What opens it must close it (libraries do on their own)."""
    return str(path) if is_local(path) else path.open("rb")


def without_hidden(paths: Iterable[Path]) -> list[Path]:
    """Leaves out what macOS and editors put beside the files: names that begin with a dot."""
    return [path for path in paths if not path.name.startswith(".")]


def read_range(path: Path, offset: int, size: int) -> bytes:
    """`size` bytes from `offset`, fewer at the end of the file."""
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(size)
