"""A public model's own tokenizer: the ids are those of `tokenizers` on the same file, without its special tokens."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from tests.tokenizer.public_kinds import CONTROLS, KINDS, is_nfc, llama2, qwen, random_strings, write
from tokenizers import Tokenizer as HFTokenizer
from tokenizers import models, pre_tokenizers

from polymath.errors import ConfigError
from polymath.tokenizer import Tokenizer

STRINGS = 10_000


@pytest.fixture(scope="module", params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp(kind), KINDS[kind](), eos_token_id=1)


def test_ten_thousand_strings_in_forty_scripts(folder: Path, kind: str) -> None:
    ours, theirs = Tokenizer.from_public(folder), HFTokenizer.from_file(str(folder / "tokenizer.json"))
    strings = random_strings(STRINGS // len(KINDS) if kind != "qwen" else STRINGS)
    expected = theirs.encode_batch(strings, add_special_tokens=False)
    different = [text for text, encoded in zip(strings, expected, strict=True) if ours.encode(text) != encoded.ids]
    assert not different
    unchanged = [text for text in strings if ours.decode(ours.encode(text)) == text]
    lossless = [text for text in strings if (kind == "llama3" or is_nfc(text)) and "▁" not in text]
    assert kind == "unigram" or set(lossless) <= set(unchanged)


def test_no_text_gives_a_special_or_control_token(folder: Path) -> None:
    """Their names inside other text, alone, and one after the other."""
    ours, theirs = Tokenizer.from_public(folder), HFTokenizer.from_file(str(folder / "tokenizer.json"))
    added = json.loads(theirs.to_str())["added_tokens"]
    special = {entry["content"] for entry in added if entry["special"] or entry["content"].startswith("<|")}
    ids = {theirs.token_to_id(name) for name in special}
    assert special
    for name in [*special, *ours.control.names()[::7], *(f"{name} " for name in special)]:
        for text in (name, f"say {name}!", name * 3, f" {name}\n"):
            encoded = ours.encode(text)
            assert not ids & set(encoded), text
            assert not set(encoded) & set(ours.control.ids), text
            assert ours.decode(encoded).strip() == text.strip()


def test_ids_of_the_control_block_follow_the_last_row(tmp_path: Path) -> None:
    """Behind the embeddings' rows where they are more than the tokenizer's entries, else behind those."""
    entries = qwen().get_vocab_size()
    padded = Tokenizer.from_public(write(tmp_path / "padded", qwen(), vocab_size=entries + 27), 1024)
    assert (padded.control.first, padded.vocab_size) == (entries + 27, entries + 27 + 1024)
    assert padded.control.names()[3] == padded.decode([padded.control.img]) == "<img>"
    assert padded.decode([entries + 3]) == ""
    short = Tokenizer.from_public(write(tmp_path / "short", qwen(), vocab_size=entries - 4))
    assert short.control.first == entries


def test_begin_and_end_are_the_models_own(tmp_path: Path) -> None:
    first = Tokenizer.from_public(write(tmp_path / "llama2", llama2(), eos_token_id=[2, 7])).control
    assert (first.bos, first.eos) == (1, 2)
    none = Tokenizer.from_public(write(tmp_path / "qwen", qwen())).control
    assert (none.bos, none.eos) == (none.first + 1, none.first + 2)
    folder = write(tmp_path / "named", qwen())
    settings = {"add_bos_token": True, "bos_token": {"content": "<|im_start|>"}, "eos_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    named = Tokenizer.from_public(folder)
    assert named.decode([named.control.bos, named.control.eos]) == "<|im_start|><|endoftext|>"


def test_saved_it_is_the_same_byte_for_byte(folder: Path, tmp_path: Path) -> None:
    ours = Tokenizer.load(folder)
    ours.save(tmp_path / "tokenizer.json")
    assert (tmp_path / "tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()
    again = Tokenizer.load(tmp_path / "tokenizer.json")
    assert again.same_ids(ours)
    assert again.control == ours.control
    copied = copy.deepcopy(again)  # by way of pickling, as a worker of the loader gets it
    text = "<|endoftext|> </s> put the cube down"
    assert copied.encode(text) == ours.encode(text)


def changed(folder: Path, **model: Any) -> Path:
    """The folder with other settings of the tokenizer's model."""
    state = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    state["model"] |= model
    (folder / "tokenizer.json").write_text(json.dumps(state), encoding="utf-8")
    return folder


def test_text_without_tokens_is_refused(tmp_path: Path) -> None:
    fallback = "a tokenizer without byte fallback"
    with pytest.raises(ConfigError, match=r"tokenizer\.json: model\.byte_fallback is False"):
        Tokenizer.from_public(changed(write(tmp_path / fallback, llama2()), byte_fallback=False))
    words = HFTokenizer(models.WordLevel({"a": 0, "<unk>": 1}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    with pytest.raises(ConfigError, match=r"model\.type is 'WordLevel'"):
        Tokenizer.from_public(write(tmp_path / "words", words))
    state = json.loads(llama2().to_str())
    del state["model"]["vocab"]["<0x0A>"]
    with pytest.raises(ConfigError, match=r"model\.vocab: has no entry '<0x0A>'"):
        Tokenizer.from_public(write(tmp_path / "lacking", HFTokenizer.from_str(json.dumps(state))))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tokenizer.json", None, r"tokenizer\.json: no such file; fetch"),
        ("tokenizer.model", "", r"tokenizer\.json: no such file, but the tokenizer in another form"),
        ("tokenizer.json", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7", "Git LFS pointer"),
        ("tokenizer.json", '{"version": "1.0"', r"tokenizer\.json: not a tokenizer file"),
        ("config.json", None, r"config\.json: no such file"),
        ("config.json", "{}", r"config\.json: vocab_size is None"),
        ("config.json", '{"vocab_size": true}', "vocab_size is True"),
        ("config.json", '{"vocab_size": 99, "eos_token_id": "2"}', "eos_token_id is '2'"),
        ("config.json", '{"vocab_size": 99, "eos_token_id": 99999999}', "eos_token_id is 99999999"),
        ("tokenizer_config.json", '{"eos_token": "<nothing>"}', "eos_token is '<nothing>', which tokenizer.json"),
        ("tokenizer_config.json", "[]", r"tokenizer_config\.json: must be a JSON object"),
    ],
)
def test_a_damaged_folder_is_one_line(tmp_path: Path, name: str, content: str | None, message: str) -> None:
    folder = write(tmp_path, qwen())
    (folder / name).unlink(missing_ok=True)
    if name == "tokenizer.model":
        (folder / "tokenizer.json").unlink()
    if content is not None:
        (folder / name).write_text(content)
    with pytest.raises(ConfigError, match=message) as caught:
        Tokenizer.from_public(folder)
    assert "\n" not in str(caught.value)


def test_a_block_of_control_tokens_that_is_damaged(tmp_path: Path) -> None:
    Tokenizer.from_public(write(tmp_path / "model", llama2())).save(tmp_path / "tokenizer.json")
    assert CONTROLS[1] == "<s>"
    (tmp_path / "control_tokens.json").write_text('{"size": 512, "first": null}')
    with pytest.raises(ConfigError, match=r"control_tokens\.json: not a block of control tokens"):
        Tokenizer.load(tmp_path / "tokenizer.json")
