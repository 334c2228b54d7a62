"""Counts are made by hand on a text of three words; a tokenizer without merges writes one token a byte."""

from pathlib import Path

import pytest

from polymath.errors import DataError
from polymath.tokenizer import ControlTokens, train
from polymath.tokenizer.corpus import lines, measure


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
