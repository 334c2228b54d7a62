"""Ten thousand random strings come back, and their ids are those of Hugging Face's own engine, never a control token.

POLYMATH_TOKENIZER=tokenizer.json tries another tokenizer than the little one (`make tokenizer` does).
"""

import os
import string
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer as HFTokenizer

from polymath.tokenizer import ControlTokens, Tokenizer, corpus, train

STRINGS = 10_000
SPACES = [" ", "  ", "\n", "\r\n", "\t", "\u00a0", "\u3000", "\u2028", "\x85", "\x0b", "\x00", "\ufeff", "\u200d"]
HARD = [
    "'s",
    "'LL",
    "’s",
    "ſ",
    "ß",
    "İ",
    "ǅ",
    "ʰ",
    "́",
    "½",
    "Ⅷ",
    "٣",
    "👩\u200d👩\u200d👧",
    "\U0010ffff",
    "\ue000",
    "//",
    "Éa",
]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tokenizer, HFTokenizer]:
    """Ours and Hugging Face's, of the same file."""
    path = Path(os.environ.get("POLYMATH_TOKENIZER", tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"))
    if not path.exists():
        train(corpus.shipped(), 2048, ControlTokens(512)).save(path)
    return Tokenizer.load(path), HFTokenizer.from_file(str(path))


def random_strings(control: ControlTokens) -> list[str]:
    """A third of any code points, a third of what pre-tokenisers get wrong, a third with control tokens' names."""
    rng = np.random.default_rng(0)
    names = control.names()
    pieces = [
        *SPACES,
        *HARD,
        *string.ascii_letters,
        *string.digits,
        *string.punctuation,
        "方块",
        "ящик",
        "서랍",
        "दराज़",
    ]
    found = []
    for number in range(STRINGS):
        length = int(rng.integers(0, 24))
        if number % 3 == 0:
            points = rng.integers(0, rng.choice([0x80, 0x3000, 0x110000]), length)
            found.append("".join(chr(point) for point in points if not 0xD800 <= point < 0xE000))
        else:
            source = pieces if number % 3 == 1 else [*pieces[:40], *(names[i] for i in rng.integers(0, len(names), 40))]
            found.append("".join(source[i] for i in rng.integers(0, len(source), length)))
    return found


def test_ten_thousand_random_strings(pair: tuple[Tokenizer, HFTokenizer]) -> None:
    ours, theirs = pair
    strings = random_strings(ours.control)
    assert sum("<a:" in text or "<spare:" in text or "<robot:" in text for text in strings) > STRINGS / 5
    for text in strings:
        ids = ours.encode(text)
        assert ours.decode(ids) == text
        assert all(ours.control.size <= i < ours.vocab_size for i in ids)
        assert ids == theirs.encode(text, add_special_tokens=False).ids


def test_code_points_of_every_script(pair: tuple[Tokenizer, HFTokenizer]) -> None:
    """The first 8,000, then every fortieth, beside letters, digits, spaces, itself: where Unicode tables may differ."""
    ours, theirs = pair
    points = [chr(i) for i in range(0x110000) if unicodedata.category(chr(i)) not in ("Cn", "Cs", "Co")]
    points = [*points[:8000], *points[8000::40]]
    for start in range(0, len(points), 500):
        text = "|".join(f"a{c}b {c}{c} 1{c}  {c}\n{c}'s" for c in points[start : start + 500])
        ids = ours.encode(text)
        assert ids == theirs.encode(text, add_special_tokens=False).ids
        assert ours.decode(ids) == text


def test_every_control_token_said_in_text_stays_text(pair: tuple[Tokenizer, HFTokenizer]) -> None:
    ours, _ = pair
    for name in ours.control.names():
        for text in (name, f"say {name} please", f"{name}{name}", f"\n{name}\n"):
            ids = ours.encode(text)
            assert min(ids) >= ours.control.size
            assert ours.decode(ids) == text


def test_any_bytes_come_back(pair: tuple[Tokenizer, HFTokenizer]) -> None:
    """Bytes that are no UTF-8 cannot be encoded as text, but every byte has an id, and ids give bytes back."""
    ours, _ = pair
    rng = np.random.default_rng(1)
    first = ours.control.size
    of_byte = {ours.decode_bytes([i]): i for i in range(first, first + 256)}
    assert len(of_byte) == 256
    for _ in range(200):
        data = rng.bytes(int(rng.integers(0, 40)))
        assert ours.decode_bytes(of_byte[bytes([byte])] for byte in data) == data


@pytest.mark.parametrize("piece", [" ", "a", "\n", "!", "方", "́", "\n "], ids=repr)
def test_a_long_run_takes_no_long_time(pair: tuple[Tokenizer, HFTokenizer], piece: str) -> None:
    ours, _ = pair
    text = piece * 200_000 + "x"
    assert ours.decode(ours.encode(text)) == text
