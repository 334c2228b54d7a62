"""Counts are made by hand on a text of three words; a tokenizer without merges writes one token a byte."""

from pathlib import Path

import numpy as np
import pytest

from polymath.data.lerobot_writer import LeRobotWriter
from polymath.data.webdataset_writer import WebDatasetWriter
from polymath.errors import DataError
from polymath.tokenizer import ControlTokens, train
from polymath.tokenizer.corpus import lines, measure, shipped, texts
from polymath.types import Embodiment, Episode, ImageText


def test_density_of_a_tokenizer_without_merges(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("push the\nbär\n", encoding="utf-8")
    density = measure(train([], 768, ControlTokens(512)), text)
    assert (density.bytes, density.words, density.tokens) == (14, 3, 14)
    assert density.bytes_per_token == 1.0
    assert density.tokens_per_word == 14 / 3


def test_lines_keep_their_ends(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one\r\ntwo")
    (tmp_path / "b").write_bytes(b"three\n")
    assert list(lines([tmp_path / "a", tmp_path / "b"])) == ["one\r\n", "two", "three\n"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"caf\xe9", "text: not UTF-8 .*convert it"), (b"", "text: empty"), (None, "text: No such file or directory")],
)
def test_files_that_cannot_be_read_are_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "text"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        measure(train([], 768, ControlTokens(512)), path)


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
