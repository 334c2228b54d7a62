"""Documents of text and pictures in reading order, one JSON object a line.

    {"parts": [{"text": "First, "}, {"image": "pictures/1.jpg"}, {"text": "then …"}]}        ours
    {"texts": ["First, ", null], "images": [null, "pictures/1.jpg"]}                          as OBELICS has it

Pictures are named by their path from the file's directory. A line ends with "\\n" and nowhere else; its place in the
file is remembered, its content is read when asked for.
"""

import json
from pathlib import Path, PurePosixPath
from typing import Any

from polymath.data.files.paths import unread_subfolders, without_hidden
from polymath.data.files.quarantine import OnBad, refuse
from polymath.data.formats.captions import is_text
from polymath.errors import DataError
from polymath.types import Interleaved


class JsonlDocuments:
    """The documents of one *.jsonl, or of all in a directory, as `interface.InterleavedSet`.

    `notes` name subfolders, which are not read. Raises DataError naming file and line; with another `on_bad` such
    lines are reported and left out.
    """

    def __init__(self, path: Path, on_bad: OnBad = refuse) -> None:
        self.path, self.name, self.notes = path, str(path), unread_subfolders(path, (".jsonl",))
        self._lines: list[tuple[Path, int, int, int]] = []  # file, number of the line, its first byte, its length
        files = [path] if path.suffix == ".jsonl" else without_hidden(sorted(path.glob("*.jsonl")))
        if not files:
            raise DataError(f"{path}: holds no *.jsonl; point to a directory of JSON lines")
        for file in () if path.suffix == ".jsonl" else without_hidden(sorted(path.glob("*.jsonl.*"))):
            message = f"{file}: is compressed or unfinished; unpack it to a *.jsonl, or move it out of the directory"
            on_bad(str(file), "", DataError(message, "schema"))
        for file in files:
            self._add_file(file, on_bad)
        if not self._lines and on_bad is refuse:
            raise DataError(f"{path}: holds no document; point to lines of JSON")

    def __len__(self) -> int:
        return len(self._lines)

    def row_name(self, index: int) -> str:
        """File and number of the line."""
        file, number, _, _ = self._lines[index]
        return f"{file.name}: line {number}"

    def document(self, index: int) -> Interleaved:
        file, number, start, length = self._lines[index]
        with file.open("rb") as opened:
            opened.seek(start)
            parts = _parts(opened.read(length), f"{file}: line {number}")
        return Interleaved(tuple(self._load(part, file, number) for part in parts))

    def _add_file(self, file: Path, on_bad: OnBad) -> None:
        start = 0
        try:
            with file.open("rb") as lines:
                for number, line in enumerate(lines, start=1):
                    if line.strip():
                        try:
                            _parts(line, f"{file}: line {number}")
                            self._lines.append((file, number, start, len(line)))
                        except DataError as error:
                            on_bad(str(file), f"line {number}", error)
                    start += len(line)
        except OSError as error:
            on_bad(str(file), "", DataError(f"{file}: cannot be read ({error}); copy it again", "truncated"))

    def _load(self, part: tuple[str, str], file: Path, number: int) -> str | bytes:
        kind, value = part
        if kind == "text":
            return value
        try:
            return (file.parent / value).read_bytes()
        except OSError as error:
            where = f"{file}: line {number}, picture {value}"
            raise DataError(f"{where}: cannot be read ({error.strerror}); copy the pictures too", "picture") from None


def _parts(line: bytes, where: str) -> list[tuple[str, str]]:
    """("text", …) and ("image", path) in order. Raises DataError for anything else, or for a path that leads out."""
    try:
        content: Any = json.loads(line.decode("utf-8-sig"))
        if not isinstance(content, dict):
            raise TypeError(f"a {type(content).__name__}, not an object")
        if "parts" in content:
            parts = [_only(part) for part in content["parts"]]
        else:
            parts = _pairs(content["texts"], content["images"])
    except UnicodeDecodeError as error:
        message = f"{where}: not UTF-8 ({error.reason} at byte {error.start}); write the line again"
        raise DataError(message, "schema") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        message = f"{where}: not a document of texts and images ({error!r}); write the line again"
        raise DataError(message, "schema") from None
    for kind, value in parts:
        if kind not in ("text", "image") or not isinstance(value, str):
            raise DataError(
                f"{where}: a part is neither text nor the path of a picture; write the line again", "schema"
            )
        if not is_text(value):
            raise DataError(f"{where}: a text or path holds half a surrogate pair; write the line again", "schema")
        outside = value.startswith("/") or ".." in PurePosixPath(value).parts or "\0" in value
        if kind == "image" and outside:
            raise DataError(f"{where}: picture {value!r} lies outside of the data set; use paths below it", "schema")
    if not any(value.strip() for kind, value in parts if kind == "text"):
        raise DataError(f"{where}: has no text; drop the line", "instruction")
    return parts


def _only(part: dict[str, Any]) -> tuple[str, Any]:
    if len(part) != 1:
        raise ValueError(f"a part has {len(part)} entries, not one")
    return next(iter(part.items()))


def _pairs(texts: Any, images: Any) -> list[tuple[str, Any]]:
    """Two lists of one length of which one is null wherever the other is not."""
    if not isinstance(texts, list) or not isinstance(images, list):
        raise TypeError("texts and images are not two lists")
    if len(texts) != len(images) or any(
        (text is None) == (image is None) for text, image in zip(texts, images, strict=False)
    ):
        raise ValueError("texts and images do not take turns")
    return [("text", text) if image is None else ("image", image) for text, image in zip(texts, images, strict=True)]
