"""The merges are compared with those of Hugging Face's own trainer on the same text."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as HFTokenizer

from polymath.errors import ConfigError
from polymath.tokenizer import ControlTokens, corpus, train
from polymath.tokenizer.training import LEARNING, Gathering, train_on_paths
from polymath.tokenizer.vocabulary import PATTERN

CONTROL = ControlTokens(512)


def hugging_face(texts: Sequence[str], vocab_size: int, min_frequency: int) -> str:
    """tokenizer.json of the `tokenizers` library, its control tokens made ordinary entries."""
    engine = HFTokenizer(models.BPE())
    engine.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    engine.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=CONTROL.names(),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    engine.train_from_iterator(texts, trainer)
    state = json.loads(engine.to_str())
    state["added_tokens"] = []
    return HFTokenizer.from_str(json.dumps(state)).to_str(pretty=True)


def made_up(seed: int) -> list[str]:
    """Few letters, many ties between pairs, repeated letters: where trainers differ if they differ."""
    rng = np.random.default_rng(seed)
    letters = np.array(list("aaabbc dé方\n"))
    return ["".join(rng.choice(letters, rng.integers(0, 40))) for _ in range(600)]


@pytest.mark.parametrize(
    ("texts", "vocab_size", "min_frequency"),
    [
        (list(corpus.shipped()), 2048, 2),
        (list(corpus.shipped()), 4000, 1),
        ([f"say {name} and {name}{name} please" for name in CONTROL.names()] * 3, 800, 1),
        *((made_up(seed), 1150, 2) for seed in range(4)),
    ],
    ids=["shipped", "shipped, to the last pair", "hostile", *(f"made up {seed}" for seed in range(4))],
)
def test_the_file_is_hugging_faces_own(texts: list[str], vocab_size: int, min_frequency: int, tmp_path: Path) -> None:
    train(texts, vocab_size, CONTROL, min_frequency).save(tmp_path / "tokenizer.json")
    assert (tmp_path / "tokenizer.json").read_text(encoding="utf-8") == hugging_face(texts, vocab_size, min_frequency)


def test_spilling_to_disk_changes_nothing(tmp_path: Path) -> None:
    """2,197 words of three letters, of which a budget of 650 kB counts 1,625 in memory, and learns from all."""
    words = [f" {a}{b}{c}" for a in "abcdefghijklm" for b in "nopqrstuvwxyz" for c in "aeioubcdfghjk"]
    shuffled = np.random.default_rng(0).permutation(words * 2 + words[:700])
    (tmp_path / "text.txt").write_text("\n".join(shuffled), encoding="utf-8")
    made = []
    for memory in (2**30, 650_000):
        tokenizer = train_on_paths(
            [tmp_path / "text.txt"], 1150, CONTROL, gathering=Gathering(memory=memory), scratch=tmp_path
        )
        tokenizer.save(tmp_path / "tokenizer.json")
        made.append((tmp_path / "tokenizer.json").read_text())
    assert made[0] == made[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text.txt", "tokenizer.json"], "no spill is left"


def test_too_little_memory_leaves_out_the_rarest_words(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(" cube" * 9 + " door" * 5 + " xylophone" * 2)
    small = Gathering(memory=15 * LEARNING)
    tokenizer = train_on_paths([tmp_path / "text.txt"], 768 + 8, CONTROL, gathering=small)
    assert [len(tokenizer.encode(word)) for word in (" cube", " door", " xylophone")] == [1, 1, 10]


def test_a_weighted_language_gets_its_words_first(tmp_path: Path) -> None:
    """Ten times the text makes English win; alpha 0 makes both alike, so the shorter words' merges alternate."""
    (tmp_path / "en.txt").write_text(" cube\n" * 1000)
    (tmp_path / "de.txt").write_text(" Klotz\n" * 100)
    paths = [tmp_path / "en.txt", tmp_path / "de.txt"]
    as_it_is = train_on_paths(paths, 768 + 4, CONTROL)
    alike = train_on_paths(paths, 768 + 8, CONTROL, gathering=Gathering(alpha=0.0))
    assert len(as_it_is.encode(" cube")) == 1
    assert len(as_it_is.encode(" Klotz")) == 6
    assert len(alike.encode(" Klotz")) < 6
    assert len(alike.encode(" cube")) < 5


def test_word_lists_count_as_text_does(tmp_path: Path) -> None:
    (tmp_path / "en.txt").write_text("the cube the door the cube\n" * 3)
    (tmp_path / "en.words.tsv").write_text("the\t3\n the\t6\n cube\t6\n door\t3\n")
    text = train_on_paths([tmp_path / "en.txt"], 778, CONTROL)
    words = train_on_paths([tmp_path / "en.words.tsv"], 778, CONTROL)
    assert text.encode("the door cube") == words.encode("the door cube")


def test_a_hostile_word_list_teaches_no_control_token(tmp_path: Path) -> None:
    (tmp_path / "words.tsv").write_text("".join(f"{name}\t1000\n" for name in CONTROL.names()))
    tokenizer = train_on_paths([tmp_path / "words.tsv"], 768 + 12, CONTROL)
    tokenizer.save(tmp_path / "tokenizer.json")
    engine = HFTokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert engine.get_vocab_size() == 780
    for name in CONTROL.names():
        assert min(tokenizer.encode(name)) >= CONTROL.size
        assert engine.encode(name).ids == tokenizer.encode(name)


def test_too_little_text_says_how_far_it_went() -> None:
    with pytest.raises(ConfigError, match=r"gives only 76\d of 900 entries.*add text.*vocab_size=76\d"):
        train(["ab ab"], 900, CONTROL)


def test_a_vocabulary_needs_room_for_the_bytes() -> None:
    with pytest.raises(ConfigError, match="700 is below 768"):
        train(["text"], 700, CONTROL)
