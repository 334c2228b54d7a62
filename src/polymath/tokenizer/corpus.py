"""The text to train a tokenizer on, or to measure one on: files, captions of shards, instructions of episodes."""

import tarfile
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from polymath.errors import DataError


def shipped() -> Iterator[str]:
    """The lines of the multilingual text inside the package (tokenizer/text, CC0)."""
    for file in sorted(resources.files("polymath.tokenizer").joinpath("text").iterdir(), key=lambda f: f.name):
        if file.name.endswith(".txt"):
            yield from file.read_text(encoding="utf-8").splitlines(keepends=True)


def texts(paths: Iterable[Path]) -> Iterator[str]:
    """All text of each path: the captions of WebDataset shards, the instructions of a LeRobot data set, or a text file.

    A directory is a LeRobot data set if it has meta/tasks.parquet, else it must hold *.tar. Raises DataError naming the
    path that cannot be read.
    """
    for path in map(Path, paths):
        if (path / "meta" / "tasks.parquet").is_file():
            yield from _instructions(path / "meta" / "tasks.parquet")
        elif path.is_dir() or path.suffix == ".tar":
            yield from _captions(path)
        else:
            yield from lines([path])


def lines(paths: Iterable[Path]) -> Iterator[str]:
    """The lines of UTF-8 files, line ends kept. Raises DataError naming the file and, if it is no UTF-8, the byte."""
    for path in paths:
        try:
            with Path(path).open(encoding="utf-8", newline="") as file:
                yield from file
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: not UTF-8 ({error.reason}); convert it, for example with iconv") from None
        except (FileNotFoundError, IsADirectoryError) as error:
            raise DataError(f"{path}: {error.strerror}; name text files") from None


def word_list(path: Path) -> Iterator[tuple[str, int]]:
    """The rows `word <TAB> count` of a .tsv file; a space before the word is part of it. DataError names a bad line."""
    for number, line in enumerate(lines([path]), start=1):
        word, tab, count = line.rstrip("\r\n").rpartition("\t")
        if not (tab and word and count.isascii() and count.isdecimal()):
            raise DataError(f"{path}: line {number}: {line[:40]!r} is not `word <TAB> count`; repair or drop the line")
        yield word, int(count)


def size(path: Path) -> int:
    """Bytes of text of a path; those of a word list as if it were written out."""
    if path.suffix == ".tsv":
        return sum(len(word.encode()) * count for word, count in word_list(path))
    if path.is_file() and path.suffix != ".tar":
        return path.stat().st_size
    return sum(len(text.encode()) for text in texts([path]))


def _instructions(tasks: Path) -> list[str]:
    try:
        return pq.read_table(tasks, columns=["task"])["task"].to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{tasks}: cannot be read ({error}); copy the data set again") from None


def _captions(path: Path) -> Iterator[str]:
    shards = sorted(path.glob("*.tar")) if path.is_dir() else [path]
    if not shards:
        raise DataError(f"{path}: holds neither meta/tasks.parquet nor *.tar; name a data set or text files")
    for shard in shards:
        try:
            with tarfile.open(shard, "r:") as tar:
                for member in tar:
                    file = tar.extractfile(member) if member.name.endswith(".txt") else None
                    if file is not None:
                        yield file.read().decode()
        except UnicodeDecodeError as error:
            raise DataError(f"{shard}: a caption is not UTF-8 ({error.reason}); convert the captions") from None
        except (tarfile.TarError, OSError) as error:
            raise DataError(f"{shard}: truncated or not a tar ({error}); copy it again") from None
