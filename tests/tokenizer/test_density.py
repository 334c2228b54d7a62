"""Counts are made by hand on a text of three words; a tokenizer without merges writes one token a byte."""

from pathlib import Path

import pytest

from polymath.errors import DataError
from polymath.tokenizer import ControlTokens, train
from polymath.tokenizer.density import OTHERS, measure, others, together


def test_density_of_a_tokenizer_without_merges(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("push the\nbär\n", encoding="utf-8")
    bytewise = train([], 768, ControlTokens(512))
    density = measure({"ours": lambda line: len(bytewise.encode(line)), "letters": len}, text)
    assert (density.bytes, density.words, density.tokens) == (14, 3, {"ours": 14, "letters": 13})
    assert density.bytes_per_token("ours") == 1.0
    both = together([density, density])
    assert (both.bytes, both.words, both.tokens) == (28, 6, {"ours": 28, "letters": 26})
    assert both.bytes_per_token("letters") == 14 / 13


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("")
    with pytest.raises(DataError, match="text: empty"):
        measure({"letters": len}, tmp_path / "text")


def test_other_models_tokenizers() -> None:
    """`hello world` is two tokens in each of them: the ids of cl100k are printed in tiktoken's README."""
    found = others()
    assert set(found) == set(OTHERS)
    assert {name: count("hello world") for name, count in found.items()} == dict.fromkeys(OTHERS, 2)
