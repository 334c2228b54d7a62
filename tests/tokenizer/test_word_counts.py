"""Words are those of the `tokenizers` library's own pre-tokeniser; spilled counts are compared with unspilled ones."""

import itertools
import string
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Regex, pre_tokenizers

from polymath.errors import PolymathError
from polymath.tokenizer import corpus
from polymath.tokenizer.vocabulary import PATTERN
from polymath.tokenizer.word_counts import BYTES_PER_WORD, WordCounts

TINY = 600 * BYTES_PER_WORD


def random_lines(seed: int, count: int) -> list[str]:
    rng = np.random.default_rng(seed)
    words = ["ab", "der", "größe", "方块", "x1", "<a:7>", "don't", "\t", "  ", "ящик", "!?"]
    words += [first + second for first in string.ascii_lowercase for second in string.ascii_lowercase]
    chosen = rng.integers(0, len(words), (count, 12)).tolist()
    return [" ".join(words[i] for i in row[: row[0] % 13]) + "\n" for row in chosen]


def counted(directory: Path, memory: int, lines: list[str], weight: float = 1.0) -> dict[str, int]:
    counts = WordCounts(directory, memory)
    counts.add(lines, weight)
    found = list(counts.words())
    assert len(found) == len(dict(found)), "every word once"
    return dict(found)


def test_words_are_cut_as_the_tokenizers_library_cuts_them(tmp_path: Path) -> None:
    split = pre_tokenizers.Split(Regex(PATTERN), behavior="isolated")
    lines = [*random_lines(0, 200), *corpus.shipped(), " \n\n  a\r\n\u3000b \u00a0c"]
    expected = Counter(word for line in lines for word, _ in split.pre_tokenize_str(line))
    assert counted(tmp_path, 2**30, lines) == expected


def test_a_tiny_budget_spills_and_gives_the_same_counts(tmp_path: Path) -> None:
    lines = random_lines(1, 13_000)
    for name in ("roomy", "tiny"):
        (tmp_path / name).mkdir()
    expected = counted(tmp_path / "roomy", 2**30, lines)
    assert counted(tmp_path / "tiny", TINY, lines) == expected
    assert not list((tmp_path / "roomy").iterdir())
    assert len(list((tmp_path / "tiny").iterdir())) >= 3


def test_weights_add_up_exactly_however_often_it_spills(tmp_path: Path) -> None:
    parts = [(random_lines(seed, 4200), weight) for seed, weight in ((2, 0.3), (3, 2.5), (4, 1 / 3))]
    found = []
    for number, memory in enumerate((2**30, TINY)):
        directory = tmp_path / str(number)
        directory.mkdir()
        counts = WordCounts(directory, memory)
        for lines, weight in parts:
            counts.add(lines, weight)
        counts.add_words([(" der", 10), ("neu", 7)], 0.5)
        found.append(dict(counts.words()))
    assert found[0] == found[1]
    assert found[0]["neu"] == 3  # 3.5, rounded down


def test_rare_words_are_left_out(tmp_path: Path) -> None:
    counts = WordCounts(tmp_path)
    counts.add(["a b a\n"])
    assert dict(counts.words(min_count=2)) == {}
    assert dict(counts.words()) == {"a": 1, " b": 1, " a": 1, "\n": 1}


def test_the_rarest_words_go_first_until_the_rest_fits(tmp_path: Path) -> None:
    """Bytes by count: 5 once, 4 twice, 2 thrice."""
    counts = WordCounts(tmp_path)
    counts.add_words([("sechs", 1), ("dré", 2), ("zz", 3)])
    assert [counts.min_count(largest) for largest in (100, 11, 10, 6, 5, 2)] == [1, 1, 2, 2, 3, 3]
    assert dict(counts.words(counts.min_count(6))) == {"dré": 2, "zz": 3}


def test_words_of_others_are_cut_as_text_is(tmp_path: Path) -> None:
    """So a list that counts `<a:7>` as a word cannot teach a merge that spells a control token."""
    counts = WordCounts(tmp_path)
    counts.add_words([("<a:7>", 4), (" New York", 3), ("1999", 2)])
    expected = {"<a": 4, ":": 4, "7": 4, ">": 4, " New": 3, " York": 3, "1": 2, "9": 6}
    assert dict(counts.words()) == expected


def test_a_full_disk_says_so(small_disk: Path) -> None:
    counts = WordCounts(small_disk, memory=60_000 * BYTES_PER_WORD)
    words = (("".join(letters), 1) for letters in itertools.product(string.ascii_lowercase, repeat=4))
    with pytest.raises(PolymathError, match=r"disk is full .*free some space"):
        counts.add_words(words)
