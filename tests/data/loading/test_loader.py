"""The batch at step n depends on (seed, n) alone; an epoch holds every document once."""

import dataclasses
import itertools

import numpy as np
import pytest
from tests.data.memory_pairs import MemoryPairs

from polymath.data.formats.memory import MemoryEpisodes
from polymath.data.loading.loader import Loader, Source
from polymath.data.loading.on_the_fly import OnTheFly
from polymath.data.robots.statistics import of_episodes
from polymath.data.sequences.augment import Augmentation
from polymath.data.sequences.documents import PairDocuments, WindowDocuments
from polymath.data.sequences.sequence import Document, Layout
from polymath.data.sequences.transforms import RobotTransform
from polymath.errors import ConfigError, DataError
from polymath.tokenizer import Tokenizer
from polymath.types import Batch, Embodiment, ImageText

LAYOUT = Layout(
    length=96, latents_per_image=4, image_size=8, max_images=6, max_control_steps=3, action_dim=2, state_dim=3
)


@pytest.fixture
def pair_documents(pairs: list[ImageText], tokenizer: Tokenizer) -> PairDocuments:
    return PairDocuments(MemoryPairs(pairs), LAYOUT, tokenizer, Augmentation(shift=1))


@pytest.fixture
def window_documents(robot: Embodiment, make_episode, tokenizer: Tokenizer) -> WindowDocuments:
    episodes = MemoryEpisodes(robot, [make_episode(seed, steps=5 + seed) for seed in range(4)])
    return WindowDocuments(episodes, RobotTransform(LAYOUT, tokenizer, robot, of_episodes(episodes)))


def loader(*documents: PairDocuments | WindowDocuments, seed: int = 0, rows: int = 4) -> Loader:
    return Loader(
        [Source(OnTheFly(source, LAYOUT), weight) for source, weight in zip(documents, (1.0, 2.0), strict=False)],
        LAYOUT,
        rows,
        seed,
    )


def same(a: Batch, b: Batch) -> bool:
    return all((x == y).all() for x, y in zip(a, b, strict=True))


def test_a_batch_is_a_function_of_seed_and_step(
    pair_documents: PairDocuments, window_documents: WindowDocuments
) -> None:
    one, two = (loader(pair_documents, window_documents) for _ in range(2))
    expected = [one.batch(step) for step in range(25)]  # over several epochs of both sources
    for step in (24, 3, 11, 0):
        assert same(two.batch(step), expected[step])
    assert not same(loader(pair_documents, window_documents, seed=1).batch(0), expected[0])


@pytest.mark.parametrize(("threads", "ahead"), [(1, 1), (3, 8)])
def test_threads_do_not_change_the_order(
    pair_documents: PairDocuments, window_documents: WindowDocuments, threads: int, ahead: int
) -> None:
    source = loader(pair_documents, window_documents)
    batches = itertools.islice(source.iterate(start=5, threads=threads, ahead=ahead), 12)
    for step, batch in enumerate(batches, start=5):
        assert isinstance(batch, Batch)
        assert same(batch, source.batch(step))


def test_a_bad_picture_stops_the_threads_with_its_own_error(tokenizer: Tokenizer) -> None:
    """Not with an error of the library in between, so that the command line can print it."""
    images = [np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8)]
    documents = PairDocuments(MemoryPairs([ImageText(image, "a cube") for image in images]), LAYOUT, tokenizer)
    with pytest.raises(DataError, match=r"image: uint8 \(8, 8\)"):
        list(itertools.islice(loader(documents).iterate(), 4))


@dataclasses.dataclass
class Recorded:
    """Documents that record the indices that were read."""

    inner: PairDocuments | WindowDocuments

    def __post_init__(self) -> None:
        self.name, self.sizes, self.indices = self.inner.name, self.inner.sizes, list[int]()

    def document(self, index: int, rng: np.random.Generator) -> Document:
        self.indices.append(index)
        return self.inner.document(index, rng)


def test_every_epoch_holds_every_document_once_in_another_order(window_documents: WindowDocuments) -> None:
    recorded = Recorded(window_documents)
    source = Loader([Source(OnTheFly(recorded, LAYOUT))], LAYOUT, batch_rows=1, seed=0)
    rows, epochs = source.rows_per_epoch()[recorded.name], []
    for epoch in range(3):
        recorded.indices.clear()
        for step in range(epoch * rows, (epoch + 1) * rows):
            source.batch(step)
        epochs.append(list(recorded.indices))
        assert sorted(epochs[-1]) == list(range(5 + 6 + 7 + 8))
    assert epochs[0] != epochs[1] != epochs[2]


def test_augmentation_differs_between_epochs_and_not_between_runs(tokenizer: Tokenizer) -> None:
    """One pair alone: every row is another epoch of it."""
    picture = np.random.default_rng(0).integers(50, 200, (8, 8, 3), dtype=np.uint8)
    documents = PairDocuments(MemoryPairs([ImageText(picture, "a cube")]), LAYOUT, tokenizer, Augmentation(shift=1))
    batch = loader(documents).batch(0)
    assert len({batch.images[row, 0].tobytes() for row in range(4)}) == 4
    assert (loader(documents).batch(0).images == batch.images).all()


def test_the_mixture_counts_rows(pair_documents: PairDocuments, window_documents: WindowDocuments) -> None:
    source = loader(pair_documents, window_documents, rows=30)
    batch = source.batch(3)
    of_pairs = (batch.state_index < 0).all(axis=1)
    assert of_pairs.sum() == 10  # weights 1 : 2


def test_a_sources_loss_weight_multiplies_its_tokens(window_documents: WindowDocuments) -> None:
    plain, half = (
        Loader([Source(OnTheFly(window_documents, LAYOUT), 1.0, w)], LAYOUT, 4, 0).batch(0) for w in (1.0, 0.5)
    )
    np.testing.assert_array_equal(half.loss_weights, 0.5 * plain.loss_weights)
    np.testing.assert_array_equal(half.tokens, plain.tokens)


def test_fill(pair_documents: PairDocuments) -> None:
    rows = OnTheFly(pair_documents, LAYOUT)
    assert rows.fill() == pair_documents.sizes.tokens.sum() / (len(rows) * 96)
    assert rows.fill() > 0.8


def test_a_caption_that_no_row_can_hold_is_named(tokenizer: Tokenizer) -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    long = PairDocuments(MemoryPairs([ImageText(image, "a"), ImageText(image, "no " * 200)], "set"), LAYOUT, tokenizer)
    with pytest.raises(DataError, match=r"set\[1\]: needs layout\.length"):
        OnTheFly(long, LAYOUT)


def test_empty_captions_and_empty_sets_are_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(DataError, match=r"set\[0\]\.text: is empty"):
        PairDocuments(MemoryPairs([ImageText(np.zeros((8, 8, 3), np.uint8), " ")], "set"), LAYOUT, tokenizer)
    with pytest.raises(DataError, match="set: holds no image-text pair"):
        PairDocuments(MemoryPairs([], "set"), LAYOUT, tokenizer)
    with pytest.raises(ConfigError, match="0 sources"):
        Loader([], LAYOUT, 4, 0)
