"""One function a kind of row: sizes that do not fit are named, pictures of any size are fitted."""

from dataclasses import replace

import numpy as np
import pytest

from polymath.data.sequences import rows
from polymath.data.sequences.sequence import Layout, pair_length
from polymath.errors import DataError
from polymath.tokenizer import Tokenizer
from polymath.types import Pointing

LAYOUT = Layout(length=128, latents_per_image=3, image_size=8, chunk_length=2, action_dim=3, state_dim=3)


def test_pictures_are_fitted_to_the_layout(tokenizer: Tokenizer) -> None:
    picture = np.full((20, 11, 3), 7, np.uint8)
    ids = tokenizer.encode("a cube")
    pair = rows.pair_document(LAYOUT, tokenizer.control, picture, ids)
    assert len(pair.tokens) == pair_length(LAYOUT, len(ids))
    mixed = rows.interleaved_document(LAYOUT, tokenizer, ["first", picture, "then", picture])
    assert pair.images.tolist() == np.full((1, 8, 8, 3), 7).tolist()
    assert mixed.images.shape == (2, 8, 8, 3)


@pytest.mark.parametrize(
    ("step", "expected"),
    [(0, [0]), (1, [1]), (2, [0, 2]), (5, [1, 3, 5]), (6, [2, 4, 6])],
    ids=["the first step", "no step a stride before", "two steps", "three steps", "at most three"],
)
def test_a_windows_steps(step: int, expected: list[int]) -> None:
    assert list(rows.window_steps(replace(LAYOUT, window=3, stride=2), step)) == expected


@pytest.mark.parametrize(
    ("targets", "mask"),
    [
        (np.zeros((2, 4)), np.ones((2, 4), bool)),
        (np.zeros((3, 2)), np.ones((3, 2), bool)),
        (np.zeros(2), np.ones(2, bool)),
        (np.zeros((2, 3)), np.ones((2, 2), bool)),
        (np.array([[np.nan, 0], [0, 0]]), np.ones((2, 2), bool)),
    ],
    ids=["too wide", "too long", "one axis", "mask of another size", "NaN"],
)
def test_an_answer_that_does_not_fit(targets: np.ndarray, mask: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"set\[3\]\.pointing: numbers of shape"):
        rows.check_pointing(Pointing("where?", targets, mask), LAYOUT, "set[3]")


def test_an_empty_caption(tokenizer: Tokenizer) -> None:
    with pytest.raises(DataError, match=r"set\[0\]\.text: is empty"):
        rows.caption_ids(" \n", tokenizer, "set[0]")
