"""The bounds are those that the project sets itself: rows of 4,096 at least 98.5 % full, nothing split."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from polymath.data.sequences import sequence
from polymath.data.sequences.packing import Sizes, collate, pack
from polymath.data.sequences.sequence import ControlStep
from polymath.planning.reference_mix import LAYOUT, Demand, draw
from polymath.tokenizer import ControlTokens

SMALL = replace(LAYOUT, image_size=1, action_dim=7, state_dim=2)


@pytest.mark.parametrize(
    ("pairs", "windows"),
    [(8192, 0), (16_000, 0), (0, 12_800), (12_800, 3200)],
    ids=["a shard of pairs", "pairs", "windows", "both"],
)
@pytest.mark.parametrize("seed", range(3))
def test_rows_of_the_reference_mix_are_full(pairs: int, windows: int, seed: int) -> None:
    sizes = draw(np.random.default_rng(seed), pairs, windows)
    rows = pack(sizes, LAYOUT)
    assert sizes.tokens.sum() / (len(rows) * LAYOUT.length) >= 0.985
    images = np.add.reduceat(sizes.images[rows.order], rows.starts[:-1])
    assert 32 < images.max() <= 64, "rows need more than 32 slots, and 64 are never too few"


def test_sixty_four_slots_never_bind() -> None:
    """An image takes 64 tokens, so 4,096 tokens hold at most 64: more slots change nothing."""
    sizes = draw(np.random.default_rng(7), 8000, 2000)
    assert len(pack(sizes, LAYOUT)) == len(pack(sizes, replace(LAYOUT, max_images=10_000)))


def test_images_and_control_steps_are_never_split() -> None:
    """Real documents of the mix's sizes in rows of 4,096: each image's 64 latents and each step stand in one piece."""
    rng = np.random.default_rng(3)
    picture, state, chunk = np.zeros((1, 1, 3), np.uint8), np.zeros(2, np.float32), np.zeros((8, 7), np.float32)
    documents = []
    for number in range(300):
        words = [5000] * int(rng.integers(1, 60))
        if number % 4:
            documents.append(sequence.pair(SMALL, ControlTokens(4096), picture, words))
        else:
            cameras = np.repeat(picture[None], rng.integers(1, 4), axis=0)
            steps = [ControlStep(cameras, state, chunk, np.ones(8, bool))] * int(rng.integers(1, 4))
            documents.append(sequence.trajectory(SMALL, ControlTokens(4096), 0, words, steps))
    table = np.array([(len(d.tokens), len(d.images), len(d.states)) for d in documents]).T
    rows = pack(Sizes(*table), SMALL)
    batch = collate([[documents[i] for i in rows.row(k)] for k in range(len(rows))], SMALL)
    for row in range(len(rows)):
        latents = batch.image_index[row][batch.image_index[row] >= 0]
        places = np.flatnonzero(batch.image_index[row] >= 0).reshape(-1, 64)
        assert (latents == np.arange(len(latents))).all()
        assert (np.diff(places, axis=1) == 1).all(), "the latents of an image follow one another"
        steps = batch.state_index[row].max() + 1
        readouts = batch.readout_positions[row, :steps]
        assert (readouts == np.flatnonzero(batch.state_index[row] >= 0)[:, None] + 1 + np.arange(8)).all()
        segments = batch.segment_ids[row]
        assert (segments[places] == segments[places[:, :1]]).all()
        assert (segments[readouts] == segments[readouts[:, :1]]).all()
        assert (segments[readouts] > 0).all()
    assert sum(batch.segment_ids[row].max() for row in range(len(rows))) == len(documents)


def test_the_page_says_what_is_computed() -> None:
    """docs/data.md prints the arithmetic; every row of its table is one of Demand's."""
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    for name, value in Demand().table().items():
        row = re.search(rf"^\| {re.escape(name)} \| ([^|]+) \|", page, flags=re.M)
        assert row, f"docs/data.md has no row {name!r}"
        assert row.group(1).strip() == f"{value:,.4g}", name
