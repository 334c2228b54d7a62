"""The vocabulary is control tokens [0, R), bytes [R, R + 256), merges; lossless; text never gives an id below R."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as HFTokenizer

from polymath.errors import ConfigError, DataError
from polymath.tokenizer import ControlTokens, Tokenizer, corpus, train

CONTROL = ControlTokens(512)
# A text that says the control tokens over and over, so that a careless trainer would learn them as merges.
HOSTILE = [f"say {name} and {name}{name} please" for name in CONTROL.names()] * 3
_trained: dict[str, Tokenizer] = {}


def shipped() -> Tokenizer:
    if "shipped" not in _trained:
        _trained["shipped"] = train(corpus.shipped(), 2048, CONTROL)
    return _trained["shipped"]


def hostile() -> Tokenizer:
    if "hostile" not in _trained:
        _trained["hostile"] = train(HOSTILE, 800, CONTROL, min_frequency=1)
    return _trained["hostile"]


def test_the_shipped_text_fills_the_demo_vocabulary() -> None:
    tokenizer = shipped()
    assert tokenizer.vocab_size == 2048
    assert tokenizer.control == CONTROL
    assert len(tokenizer.encode("the red cube")) <= 6  # of 12 bytes


@given(st.text())
def test_every_text_comes_back(text: str) -> None:
    ids = shipped().encode(text)
    assert shipped().decode(ids) == text
    assert all(CONTROL.size <= i < 2048 for i in ids)


@given(st.lists(st.sampled_from([*CONTROL.names()[:60], "<a:7>", " ", "x", "<", ">", "\n"]), max_size=12).map("".join))
def test_text_never_gives_a_control_token(text: str) -> None:
    for tokenizer in (shipped(), hostile()):
        ids = tokenizer.encode(text)
        assert all(i >= CONTROL.size for i in ids)
        assert tokenizer.decode(ids) == text


def test_control_tokens_decode_to_their_names() -> None:
    assert shipped().decode([CONTROL.bos, CONTROL.readouts[0], 256]) == "<bos><act:0><a:0>"


def test_training_is_repeatable() -> None:
    text = list(corpus.shipped())[:10]
    again = [train(text, 900, CONTROL).encode(line) for line in text]
    assert again == [train(text, 900, CONTROL).encode(line) for line in text]


def test_saved_and_loaded_by_us_and_by_huggingface(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    shipped().save(path)
    loaded, foreign = Tokenizer.load(path), HFTokenizer.from_file(str(path))
    assert (loaded.vocab_size, loaded.control) == (2048, CONTROL)
    for text in ("push <act:0> the größte 方块 <a:3>", "", "  \r\n\t"):
        assert loaded.encode(text) == shipped().encode(text)
        assert foreign.encode(text).ids == shipped().encode(text)
        assert foreign.decode(foreign.encode(text).ids) == text


def test_the_full_block_takes_the_same_path() -> None:
    tokenizer = train(corpus.shipped(), 4096 + 256 + 500, ControlTokens(4096))
    assert tokenizer.control.size == 4096
    assert min(tokenizer.encode("<spare:4000> the cube")) >= 4096


def test_a_lone_surrogate_is_no_text() -> None:
    with pytest.raises(DataError, match="UTF-8"):
        shipped().encode("\ud800")


def test_files_that_are_no_tokenizer_of_ours(tmp_path: Path) -> None:
    missing, damaged, foreign = tmp_path / "none.json", tmp_path / "damaged.json", tmp_path / "foreign.json"
    damaged.write_text('{"model":')
    foreign.write_text(HFTokenizer.from_str(_word_level()).to_str())
    for path, message in ((missing, "no such file"), (damaged, "not a tokenizer"), (foreign, "no block of control")):
        with pytest.raises(ConfigError, match=f"{path.name}.*{message}"):
            Tokenizer.load(path)


def test_a_renamed_control_token_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    shipped().save(path)
    path.write_text(path.read_text().replace('"<state>": 4', '"<STATE>": 4'))
    with pytest.raises(ConfigError, match="id 4 is not <state>"):
        Tokenizer.load(path)


def _word_level() -> str:
    return '{"version":"1.0","added_tokens":[],"model":{"type":"WordLevel","vocab":{"a":0},"unk_token":"a"}}'
