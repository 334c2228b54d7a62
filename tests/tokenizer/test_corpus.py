"""What is read is what was written: lines, captions, instructions, word lists."""

from pathlib import Path

import numpy as np
import pytest

from polymath.data.formats.lerobot.writer import LeRobotWriter
from polymath.data.formats.webdataset.writer import WebDatasetWriter
from polymath.errors import DataError
from polymath.tokenizer.corpus import lines, shipped, size, texts, word_list
from polymath.types import Embodiment, Episode, ImageText


def test_lines_keep_their_ends(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one\r\ntwo")
    (tmp_path / "b").write_bytes(b"three\n")
    assert list(lines([tmp_path / "a", tmp_path / "b"])) == ["one\r\n", "two", "three\n"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"caf\xe9", "text: not UTF-8 .*convert it"), (None, "text: No such file or directory")],
)
def test_files_that_cannot_be_read_are_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "text"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        list(texts([path]))


def test_shipped_text_has_many_alphabets() -> None:
    text = "".join(shipped())
    for word in ("drawer", "Schublade", "tiroir", "ящик", "抽屉", "引き出し", "서랍", "الدرج", "दराज़"):
        assert word in text
    assert len(text.encode()) < 40_000


def test_texts_of_data_sets_and_files(tmp_path: Path) -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    with WebDatasetWriter(tmp_path / "pairs") as shards:
        for caption in ("a red cube", "ein roter Würfel"):
            shards.add(ImageText(image, caption))
    robot = Embodiment("arm", 0, ("front",), ("x",), ("dx",), (), 10.0)
    with LeRobotWriter(tmp_path / "episodes", robot, 10, 8) as writer:
        for instruction in ("push", "pull", "push"):
            vector = np.zeros((2, 1), np.float32)
            writer.add(Episode({"front": image[None].repeat(2, 0)}, vector, vector, instruction, "t", "arm"))
    (tmp_path / "text.txt").write_text("one\ntwo\n")
    found = list(texts([tmp_path / "pairs", tmp_path / "episodes", tmp_path / "text.txt"]))
    assert found == ["a red cube", "ein roter Würfel", "push", "pull", "one\n", "two\n"]


def test_a_directory_without_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{tmp_path.name}: holds neither"):
        list(texts([tmp_path]))


def test_a_truncated_shard_is_named(tmp_path: Path) -> None:
    with WebDatasetWriter(tmp_path / "pairs") as shards:
        shards.add(ImageText(np.zeros((8, 8, 3), np.uint8), "a red cube"))
    shard = tmp_path / "pairs" / "shard-000000.tar"
    shard.write_bytes(shard.read_bytes()[:700])
    with pytest.raises(DataError, match=r"shard-000000\.tar: truncated"):
        list(texts([shard]))


def test_a_word_list_and_its_size(tmp_path: Path) -> None:
    path = tmp_path / "de.words.tsv"
    path.write_text(" bär\t3\n\t\t2\n", encoding="utf-8")
    assert list(word_list(path)) == [(" bär", 3), ("\t", 2)]
    assert size(path) == 5 * 3 + 2
    (tmp_path / "de.txt").write_text("bär\n", encoding="utf-8")
    assert size(tmp_path / "de.txt") == 5


@pytest.mark.parametrize("line", ["bär", "bär\tmany", "bär\t-1", "\t4"])
def test_a_bad_line_of_a_word_list_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "words.tsv"
    path.write_text(f" der\t1\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"words\.tsv: line 2: .*repair or drop"):
        list(word_list(path))
