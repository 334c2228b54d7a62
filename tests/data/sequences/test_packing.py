"""Invariants of packing: nothing lost, doubled or split, the caps kept, and every document can be read back."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymath.data.sequences.packing import Rows, Sizes, collate, pack
from polymath.data.sequences.sequence import Document, Layout
from polymath.errors import DataError
from polymath.types import Batch

LAYOUT = Layout(
    length=40,
    latents_per_image=2,
    image_size=4,
    max_images=3,
    max_control_steps=2,
    chunk_length=2,
    action_dim=2,
    state_dim=2,
)
# tokens, images, control steps; each image takes 2 tokens, each step 1 + 2, and one token begins the document
SIZES = st.tuples(st.integers(0, 20), st.integers(0, 3), st.integers(0, 2)).map(
    lambda s: (1 + s[0] + 2 * s[1] + 3 * s[2], s[1], s[2])
)


def sizes_of(table: list[tuple[int, int, int]]) -> Sizes:
    columns = np.array(table, np.int64).reshape(-1, 3).T
    return Sizes(*columns)


def check_partition(rows: Rows, sizes: Sizes, layout: Layout) -> None:
    assert sorted(rows.order.tolist()) == list(range(len(sizes.tokens)))
    caps = (layout.length, layout.max_images, layout.max_control_steps)
    for k in range(len(rows)):
        assert len(rows.row(k)) > 0
        assert (sizes.table()[rows.row(k)].sum(axis=0) <= caps).all()


@given(st.lists(SIZES, min_size=1, max_size=60), st.integers(0, 5))
def test_every_document_once_within_the_caps(table: list[tuple[int, int, int]], seed: int) -> None:
    sizes = sizes_of(table)
    rows = pack(sizes, LAYOUT)
    check_partition(rows, sizes, LAYOUT)
    for _ in range(2):
        shuffled = rows.shuffled(np.random.default_rng(seed))
        check_partition(shuffled, sizes, LAYOUT)
        assert len(shuffled) == len(rows)
        rows = shuffled


@given(st.lists(SIZES, min_size=1, max_size=60))
def test_no_two_rows_could_be_one(table: list[tuple[int, int, int]]) -> None:
    """What best fit promises: the documents of the emptier of any two rows do not all fit into the other."""
    sizes = sizes_of(table)
    rows = pack(sizes, LAYOUT)
    used = np.array([sizes.table()[rows.row(k)].sum(axis=0) for k in range(len(rows))])
    caps = np.array([LAYOUT.length, LAYOUT.max_images, LAYOUT.max_control_steps])
    for a in range(len(rows)):
        for b in range(a):
            assert (used[a] + used[b] > caps).any()


def test_shuffling_is_a_permutation_of_its_own_for_each_seed() -> None:
    rows = pack(sizes_of([(9, 1, 1)] * 200 + [(20, 0, 0)] * 100), LAYOUT)
    a, b = (rows.shuffled(np.random.default_rng(seed)) for seed in (1, 2))
    assert (a.order == rows.shuffled(np.random.default_rng(1)).order).all()
    assert (a.order != b.order).mean() > 0.9


def test_fill_of_mixed_lengths() -> None:
    rng = np.random.default_rng(0)
    sizes = Sizes(rng.integers(30, 90, 5000), np.ones(5000, int), np.zeros(5000, int))
    rows = pack(sizes, Layout(length=256, max_images=8))
    assert sizes.tokens.sum() / (len(rows) * 256) > 0.95


def test_a_hundred_thousand_documents_take_seconds_not_minutes() -> None:
    rng = np.random.default_rng(0)
    sizes = Sizes(rng.integers(20, 4000, 100_000), rng.integers(0, 9, 100_000), rng.integers(0, 2, 100_000))
    start = time.process_time()
    pack(sizes, Layout(length=4096, max_images=64, max_control_steps=32))
    assert time.process_time() - start < 5.0  # 0.6 s on an idle core


@pytest.mark.parametrize(
    ("size", "field"), [((41, 0, 0), "length"), ((9, 4, 0), "max_images"), ((9, 0, 3), "max_control_steps")]
)
def test_a_document_that_no_row_can_hold_is_named(size: tuple[int, int, int], field: str) -> None:
    with pytest.raises(DataError, match=rf"pairs\[1\]: needs layout\.{field}.*raise layout\.{field}"):
        pack(sizes_of([(5, 0, 0), size]), LAYOUT, "pairs")


def test_nothing_to_pack() -> None:
    assert len(pack(sizes_of([]), LAYOUT)) == 0


@given(st.lists(SIZES, min_size=1, max_size=12), st.integers(0, 1000))
def test_the_batch_gives_every_document_back(table: list[tuple[int, int, int]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    documents = [random_document(rng, *size) for size in table]
    rows = pack(sizes_of(table), LAYOUT)
    packed = [[documents[i] for i in rows.row(k)] for k in range(len(rows))]
    batch = collate(packed, LAYOUT)
    assert batch.tokens.shape == (len(rows), LAYOUT.length)
    for row, expected in enumerate(packed):
        documents = unpack(batch, row)
        assert len(documents) == len(expected)
        for unpacked, original in zip(documents, expected, strict=True):
            for name in vars(original):
                np.testing.assert_array_equal(getattr(unpacked, name), getattr(original, name), err_msg=name)
        check_empty_places(batch, row)


def random_document(rng: np.random.Generator, tokens: int, images: int, steps: int) -> Document:
    """Spare tokens first, then the images, then the steps: their order does not matter to packing."""
    first = tokens - 2 * images - 3 * steps
    starts, states = first + 2 * np.arange(images), first + 2 * images + 3 * np.arange(steps)
    return Document(
        tokens=rng.integers(1, 1000, tokens).astype(np.int32),
        loss_weights=rng.uniform(size=tokens).astype(np.float32),
        images=rng.integers(0, 256, (images, 4, 4, 3)).astype(np.uint8),
        image_starts=starts.astype(np.int32),
        states=rng.normal(size=(steps, 2)).astype(np.float32),
        state_positions=states.astype(np.int32),
        actions=rng.normal(size=(steps, 2, 2)).astype(np.float32),
        action_mask=rng.uniform(size=(steps, 2, 2)) < 0.8,
        readout_positions=(states[:, None] + [1, 2]).astype(np.int32).reshape(steps, 2),
    )


def unpack(batch: Batch, row: int) -> list[Document]:
    """The documents of a row from what the Batch says alone."""
    documents = []
    segments = batch.segment_ids[row]
    image_index, state_index = batch.image_index[row], batch.state_index[row]
    for segment in range(1, segments.max() + 1):
        places = np.flatnonzero(segments == segment)
        assert (np.diff(places) == 1).all()  # contiguous
        assert (batch.positions[row, places] == np.arange(len(places))).all()  # positions start again
        latents = image_index[places]
        starts = np.flatnonzero((latents >= 0) & (latents % 2 == 0))
        for start in starts:
            assert latents[start + 1] == latents[start] + 1
        slots = state_index[places][state_index[places] >= 0]
        documents.append(
            Document(
                tokens=batch.tokens[row, places],
                loss_weights=batch.loss_weights[row, places],
                images=batch.images[row, latents[starts] // 2],
                image_starts=starts.astype(np.int32),
                states=batch.states[row, slots],
                state_positions=np.flatnonzero(state_index[places] >= 0).astype(np.int32),
                actions=batch.actions[row, slots],
                action_mask=batch.action_mask[row, slots],
                readout_positions=(batch.readout_positions[row, slots] - places[0]).astype(np.int32),
            )
        )
    return documents


def check_empty_places(batch: Batch, row: int) -> None:
    padding = batch.segment_ids[row] == 0
    assert not batch.tokens[row, padding].any()
    assert not batch.loss_weights[row, padding].any()
    assert (batch.image_index[row, padding] == -1).all()
    assert (batch.state_index[row, padding] == -1).all()
    images = batch.image_index[row].max() // 2 + 1 if (batch.image_index[row] >= 0).any() else 0
    steps = batch.state_index[row].max() + 1
    assert not batch.images[row, images:].any()
    assert not batch.action_mask[row, steps:].any()
    assert not batch.readout_positions[row, steps:].any()
