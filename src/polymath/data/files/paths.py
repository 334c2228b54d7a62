"""Where data lies: a local path, or a URL that fsspec opens (hf://, gs://, s3://, memory://).

Readers take a `Path`. A URL becomes a `UPath`, which has the same methods (glob, open, stat, …) and reads byte ranges,
so that nothing is downloaded as a whole; `readable` is for libraries that want a file name or an open file.
"""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
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


def unread_subfolders(path: Path, suffixes: Sequence[str]) -> tuple[str, ...]:
    """A note if files of these suffixes lie in folders below `path`, of which a reader takes the top level alone.

    A local directory is searched to its leaves, a URL one level deep: each level costs requests.
    """
    if not path.is_dir():
        return ()
    counts: Counter[str] = Counter()
    if is_local(path):
        for folder, folders, names in os.walk(path):
            folders[:] = [name for name in folders if not name.startswith(".")]
            counts[os.path.relpath(folder, path)] = sum(_is_of(name, suffixes) for name in names)
        counts.pop(".", None)
    else:
        counts.update(file.parent.name for file in without_hidden(path.glob("[!.]*/*")) if _is_of(file.name, suffixes))
    holding = sorted(folder for folder, count in counts.items() if count)
    if not holding:
        return ()
    others = f" and {len(holding) - 1} more subfolders" if len(holding) > 1 else ""
    number = sum(counts.values())
    return (
        f"{number} {'file' if number == 1 else 'files'} ({suffixes[0]}) in {path / holding[0]}{others} not read; name "
        "each folder as a data set of its own, or move its files up",
    )


def _is_of(name: str, suffixes: Sequence[str]) -> bool:
    return not name.startswith(".") and name.lower().endswith(tuple(suffixes))
