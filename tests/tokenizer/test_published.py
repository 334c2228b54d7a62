"""The published tokenizer: 256,000 entries, the block inside, the same ids as Hugging Face's engine.

The upper bound on tokens is what GPT-4's cl100k needs for the same sentence (counted by splintr-rs).
"""

import lzma
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer as HFTokenizer

from polymath.tokenizer import Tokenizer
from polymath.tokenizer.density import others

FILE = Path(__file__).parents[2] / "docs" / "files" / "polymath-256k.json.xz"
SENTENCES = [
    "Öffne die Schublade und lege den roten Würfel hinein.",
    "Ouvre le tiroir et pose le cube rouge à gauche.",
    "Открой ящик и положи туда красный кубик.",
    "打开抽屉，把红色的方块放进去。",
    "引き出しを開けて、赤い立方体を入れてください。",
    "서랍을 열고 빨간 큐브를 넣으세요.",
    "दराज़ खोलो और लाल घन अंदर रखो।",
    "افتح الدرج وضع المكعب الأحمر فيه.",
]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert FILE.stat().st_size < 10_000_000
    unpacked = tmp_path_factory.mktemp("published") / "tokenizer.json"
    unpacked.write_bytes(lzma.decompress(FILE.read_bytes()))
    return unpacked


def test_the_published_tokenizer(path: Path) -> None:
    ours, theirs = Tokenizer.load(path), HFTokenizer.from_file(str(path))
    assert (ours.vocab_size, ours.control.size, theirs.get_vocab_size()) == (256_000, 4096, 256_000)
    cl100k = others()["cl100k"]
    rng = np.random.default_rng(0)
    random = ["".join(map(chr, rng.integers(0, 0x3000, 12))) for _ in range(300)]
    for text in [*SENTENCES, *random, *(f"say {name}!" for name in ours.control.names()[::97])]:
        ids = ours.encode(text)
        assert ours.decode(ids) == text
        assert min(ids) >= 4096
        assert ids == theirs.encode(text, add_special_tokens=False).ids
    for text in SENTENCES:
        assert len(ours.encode(text)) < cl100k(text)
