"""Learning merges from word counts with ffbpe, exactly as Hugging Face's trainer does from text.

The most frequent pair is merged first; of equally frequent ones that of the smaller ids. The merges are those of
`tokenizers.trainers.BpeTrainer` on the same text, to the last one (the tests compare); ffbpe also takes counts, so that
the text need not be kept.
"""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import ffbpe

from polymath.errors import ConfigError
from polymath.tokenizer import corpus
from polymath.tokenizer.bpe import Tokenizer
from polymath.tokenizer.control_tokens import ControlTokens
from polymath.tokenizer.sampling import Draw, draws, sample
from polymath.tokenizer.vocabulary import Vocabulary, unspell
from polymath.tokenizer.word_counts import WordCounts


@dataclass(frozen=True)
class Gathering:
    """How text becomes word counts.

    alpha, total: see `sampling.draws`; total in bytes, None for all there is. memory: bytes that the counts may take
    before they go to disk, and that learning may take: the rarest words are left out until it fits. min_word_count:
    words that occur less often are left out in any case.
    """

    alpha: float = 1.0
    total: float | None = None
    memory: int = 4 * 2**30
    min_word_count: int = 1
    seed: int = 0


AS_IT_IS = Gathering()
ROWS = 128  # of the embedding matrix in one tile of a matrix unit
LEARNING = 60  # bytes that the trainer takes for each byte of distinct words; 47 to 56 measured


def train(texts: Iterable[str], vocab_size: int, control: ControlTokens, min_frequency: int = 2) -> Tokenizer:
    """Learn exactly vocab_size - control.size - 256 merges from `texts`; see `learn`."""
    with tempfile.TemporaryDirectory() as directory:
        counts = WordCounts(Path(directory))
        counts.add(texts)
        return learn(counts.words(), vocab_size, control, min_frequency)


def train_at_most(texts: Iterable[str], largest: int, control: ControlTokens, min_frequency: int = 2) -> Tokenizer:
    """As `train`, but a text that gives fewer entries than `largest` gives a smaller vocabulary, in whole rows of 128.

    Raises ConfigError if not even the control tokens and the bytes fit.
    """
    with tempfile.TemporaryDirectory() as directory:
        counts = WordCounts(Path(directory))
        counts.add(texts)
        trainer = _trained(counts.words(), largest, control, min_frequency)
    vocabulary = _vocabulary(trainer, control)
    if trainer.vocab_size < largest:
        smallest = control.size + 256
        size = max(smallest, trainer.vocab_size // ROWS * ROWS)
        # The first merges of a byte-level BPE are those of a smaller vocabulary on the same text.
        vocabulary = Vocabulary(control, vocabulary.merges[: size - smallest])
    return Tokenizer(vocabulary)


def train_on_paths(
    paths: Sequence[Path],
    vocab_size: int,
    control: ControlTokens,
    min_frequency: int = 2,
    gathering: Gathering = AS_IT_IS,
    shipped: bool = False,
    scratch: Path | None = None,
) -> Tokenizer:
    """Learn from text files, data sets and word lists; the name of a path up to its first dot is its language.

    `shipped` adds the package's own text; counts that do not fit into memory go to a directory in `scratch`.
    """
    with tempfile.TemporaryDirectory(dir=scratch) as directory:
        counts = WordCounts(Path(directory), gathering.memory)
        if shipped:
            counts.add(corpus.shipped())
        _count(counts, paths, gathering)
        counts.spill()
        fitting = counts.min_count(gathering.memory // LEARNING)
        return learn(counts.words(max(gathering.min_word_count, fitting)), vocab_size, control, min_frequency)


def _count(counts: WordCounts, paths: Sequence[Path], gathering: Gathering) -> None:
    languages: dict[str, list[Path]] = {}
    for path in map(Path, paths):
        languages.setdefault(path.name.split(".")[0], []).append(path)
    drawn = dict.fromkeys(languages, Draw(1.0, 1.0))
    if (gathering.alpha, gathering.total) != (1.0, None):
        sizes = {language: sum(map(corpus.size, paths)) for language, paths in languages.items()}
        drawn = draws(sizes, gathering.alpha, gathering.total)
    for number, (language, draw) in enumerate(drawn.items()):
        for path in languages[language]:
            if path.suffix == ".tsv":
                counts.add_words(corpus.word_list(path), draw.keep * draw.weight)
            else:
                counts.add(sample(corpus.texts([path]), draw.keep, (gathering.seed, number)), draw.weight)


def learn(
    words: Iterable[tuple[str, int]], vocab_size: int, control: ControlTokens, min_frequency: int = 2
) -> Tokenizer:
    """Learn merges from words and how often each occurs.

    `min_frequency` is how often a pair must be seen to be merged. Raises ConfigError if the vocabulary cannot hold the
    block and the bytes, or if the text runs out of pairs before `vocab_size` is reached.
    """
    trainer = _trained(words, vocab_size, control, min_frequency)
    if trainer.vocab_size != vocab_size:
        raise ConfigError(
            f"tokenizer.vocab_size: the text gives only {trainer.vocab_size} of {vocab_size} entries, no pair is left "
            f"that occurs {min_frequency} times; add text, lower min_frequency, or ask for "
            f"vocab_size={trainer.vocab_size}"
        )
    return Tokenizer(_vocabulary(trainer, control))


def _trained(
    words: Iterable[tuple[str, int]], vocab_size: int, control: ControlTokens, min_frequency: int
) -> ffbpe.BpeTrainer:
    smallest = control.size + 256
    if vocab_size < smallest:
        raise ConfigError(f"tokenizer.vocab_size: {vocab_size} is below {smallest}: control tokens + 256 bytes")
    trainer = ffbpe.BpeTrainer(
        control.names(),
        unit="byte",
        initial_alphabet="byte_level",
        tie_break="smallest_pair_id",
        bigram_cutoff_freq=min_frequency,
    )
    trainer.add_words(list(words))
    trainer.train(vocab_size)
    return trainer


def _vocabulary(trainer: ffbpe.BpeTrainer, control: ControlTokens) -> Vocabulary:
    """The library gives the order of the merges only as a file: `left right => count`, a line each."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "merges.txt"
        trainer.validate_model().save_merges_txt(path)
        pairs = [line.rsplit(" => ", 1)[0].split(" ") for line in path.read_text(encoding="utf-8").splitlines()]
    return Vocabulary(control, tuple((unspell(left), unspell(right)) for left, right in pairs))
