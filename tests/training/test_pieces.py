"""Our tokens in other tokenizers' pieces: the very piece where their vocabulary has it, without a space in front of it
that is not there.
"""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer as HFTokenizer
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from polymath.errors import CheckpointError
from polymath.tokenizer import Tokenizer
from polymath.tokenizer.control_tokens import ControlTokens
from polymath.tokenizer.vocabulary import Vocabulary
from polymath.training.pieces import pieces_of

WORDS = [
    "open",
    "opening",
    "the",
    "drawer",
    "drawing",
    "draw",
    "and",
    "put",
    "putting",
    "a",
    "red",
    "cube",
    "closing",
    "closer",
    "close",
    "7",
    "é",
    "日本",
]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
MERGES = [(b" ", b"d"), (b"i", b"n"), (b"in", b"g"), (b" d", b"r"), (b" dr", b"a"), (b" dra", b"w"), (b"e", b"r"),
          (b"\xc3", b"\xa9"), (b" ", b"\xc3"), (b"<", b"/"), (b"</", b"s"), (b"</s", b">"), (b" ", b" ")]  # fmt: skip


@pytest.fixture(scope="module")
def ours() -> Tokenizer:
    return Tokenizer(Vocabulary(ControlTokens(512), tuple(MERGES)))


def sentencepiece(kind: str) -> HFTokenizer:
    """As Llama 2 and Mistral 0.1 (`prepend`), Mistral 0.3 (`first`, `always`), Gemma (`none`) write tokenizer.json."""
    other = HFTokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    steps = [normalizers.Replace(" ", "▁")]
    if kind in ("prepend", "none"):
        other.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), *steps] if kind == "prepend" else steps)
    else:
        other.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme=kind, split=False)
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=["<unk>", "<s>", "</s>", *BYTES])
    trained = WORDS if kind != "none" else [f" {word}" for word in WORDS]
    other.train_from_iterator([word for word in trained for _ in range(3)], trainer)
    other.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    other.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 1)])
    other.enable_padding(length=9)
    other.enable_truncation(1)
    return other


@pytest.mark.parametrize("kind", ["prepend", "first", "always", "none"])
def test_sentencepiece_without_a_space_that_is_not_there(ours: Tokenizer, tmp_path: Path, kind: str) -> None:
    other = sentencepiece(kind)
    other.save(str(tmp_path / "tokenizer.json"))
    pieces, vocabulary = pieces_of(ours, tmp_path / "tokenizer.json"), other.get_vocab()
    names = {number: name for name, number in vocabulary.items()}
    assert len(pieces) == ours.vocab_size
    exact = 0
    for number in range(ours.control.size, ours.vocab_size):
        text = ours.decode_bytes([number]).decode("utf-8", errors="replace")
        got = [names[piece] for piece in pieces[number]]
        name = text.replace(" ", "▁")
        if "\ufffd" not in text and name in vocabulary and name != "</s>":
            assert got == [name], (text, got)
            exact += 1
        assert got, text  # with a piece for each byte nothing is unknown
    assert exact > 20
    spelled = {text: [names[p] for p in pieces[ours.encode(text)[0]]] for text in ("ing", " draw", " ", "é")}
    assert spelled["ing"][0][0] == "i"
    assert spelled[" draw"][0][0] == "▁"
    assert spelled[" "] == ["▁"]


def test_bytes_that_are_no_text(ours: Tokenizer, tmp_path: Path) -> None:
    stray, spaced = (ours.vocab_size - len(MERGES) + i for i in (7, 8))
    first = ours.control.size
    halves = {ours.decode_bytes([number]): number for number in range(first, first + 256)}
    assert (ours.decode([stray]), ours.decode_bytes([spaced])) == ("é", b" \xc3")

    sentencepiece("prepend").save(str(tmp_path / "a.json"))
    vocabulary, pieces = sentencepiece("prepend").get_vocab(), pieces_of(ours, tmp_path / "a.json")
    assert pieces[halves[b"\xc3"]] == [vocabulary["<0xC3>"]]
    assert pieces[spaced] == [vocabulary["▁"], vocabulary["<0xC3>"]]

    other = HFTokenizer(models.BPE())
    other.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    other.train_from_iterator(["é à ü"] * 9, trainers.BpeTrainer(vocab_size=262, initial_alphabet=alphabet))
    other.save(str(tmp_path / "b.json"))
    pieces, vocabulary = pieces_of(ours, tmp_path / "b.json"), other.get_vocab()
    assert pieces[halves[b"\xc3"]] == [vocabulary["Ã"]]
    assert pieces[spaced] == ([vocabulary["ĠÃ"]] if "ĠÃ" in vocabulary else [vocabulary["Ġ"], vocabulary["Ã"]])
    assert pieces[halves[b"a"]] == [vocabulary["a"]]  # not "Ġ a"


def test_special_tokens_in_a_text_are_text_and_the_unknown_is_none(ours: Tokenizer, tmp_path: Path) -> None:
    other = sentencepiece("none")
    other.save(str(tmp_path / "a.json"))
    (end,) = (number for number in range(ours.vocab_size) if ours.decode([number]) == "</s>")
    assert other.token_to_id("</s>") not in pieces_of(ours, tmp_path / "a.json")[end]

    words = HFTokenizer(models.WordLevel({"?": 0, "a": 1}, unk_token="?"))
    words.save(str(tmp_path / "b.json"))
    pieces = pieces_of(ours, tmp_path / "b.json")
    assert [numbers for numbers in pieces if numbers] == [[1]]


def test_a_file_that_is_no_tokenizer(ours: Tokenizer, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    for text in ("", "[]", json.dumps({"model": {"type": "BPE"}})):
        path.write_text(text)
        with pytest.raises(CheckpointError, match=r"tokenizer\.json: not a tokenizer file"):
            pieces_of(ours, path)
    path.write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(CheckpointError, match="a Git LFS pointer"):
        pieces_of(ours, path)
