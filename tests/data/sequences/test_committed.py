"""Committed actions by hand: what is given, what the losses leave out, what a step of the training may see."""

from dataclasses import replace

import numpy as np
import pytest

from polymath.data.sequences.committed import drawn, prompt_with
from polymath.data.sequences.packing import collate
from polymath.data.sequences.sequence import ControlStep, Document, Layout, pair, trajectory
from polymath.tokenizer import ControlTokens

LAYOUT = Layout(
    length=64, latents_per_image=2, image_size=8, chunk_length=4, action_dim=3, state_dim=2, window=2, stride=2
)
IMAGES = np.zeros((1, 8, 8, 3), np.uint8)


def window(layout: Layout = LAYOUT, real: int = 4, steps: int = 1) -> Document:
    """A robot of two action dimensions in a layout of three; action i of step j is [0.1 i, j]."""
    chunks = [np.stack([0.1 * np.arange(4), np.full(4, float(j))], axis=1).astype(np.float32) for j in range(steps)]
    control_steps = [ControlStep(IMAGES, np.zeros(2, np.float32), chunk, np.arange(4) < real) for chunk in chunks]
    return trajectory(layout, ControlTokens(512), 0, [600, 601], control_steps)


def of_count(document: Document, count: int, most: int = 3) -> Document:
    """The first draw that gives `count` actions."""
    draws = (drawn(document, most, np.random.default_rng(seed)) for seed in range(100))
    return next(draw for draw in draws if draw.actions[0, :, -1].sum() == count)


def test_two_of_four_actions_by_hand() -> None:
    document = of_count(window(), 2)
    np.testing.assert_allclose(
        document.actions[0], [[0.0, 0, 0, 1], [0.1, 0, 0, 1], [0.2, 0, 0, 0], [0.3, 0, 0, 0]], atol=1e-7
    )
    ours = [[False] * 4] * 2 + [[True, True, False, False]] * 2
    np.testing.assert_array_equal(document.action_mask[0], ours)
    # <bos> <robot> 600 601 <img> <img> <state> <act> x 4, then a00 a01 a10 a11 a20 a21 a30 a31 <eos>
    np.testing.assert_array_equal(document.loss_weights, [0] * 11 + [0, 0, 0, 0, 1, 1, 1, 1] + [0])


def test_every_number_is_drawn_and_none_beyond_the_episode() -> None:
    counts = [drawn(window(), 3, np.random.default_rng(seed)).actions[0, :, -1].sum() for seed in range(400)]
    shares = np.bincount(np.array(counts, int), minlength=4) / 400
    assert np.abs(shares - 0.25).max() < 4 * np.sqrt(0.25 * 0.75 / 400)  # four standard deviations of a share
    near_the_end = [drawn(window(real=1), 3, np.random.default_rng(seed)) for seed in range(50)]
    assert max(document.actions[0, :, -1].sum() for document in near_the_end) == 1


@pytest.mark.parametrize("past", [True, False])
def test_a_window_gives_each_step_its_own(past: bool) -> None:
    layout = replace(LAYOUT, past_actions=past)
    whole = window(layout, steps=2)
    for seed in range(20):
        document = drawn(whole, 2, np.random.default_rng(seed))
        first, second = document.actions[:, :, -1].sum(axis=1).astype(int)
        shown = 2 if past else 0  # actions of the first step that stand in the sequence: layout.stride, or none
        assert document.loss_weights.sum() == 2 * max(shown - first, 0) + 2 * (4 - second)
        assert document.action_mask.sum() == 2 * (4 - first) + 2 * (4 - second)


def test_a_document_without_control_steps_has_the_column_too() -> None:
    document = drawn(pair(LAYOUT, ControlTokens(512), IMAGES[0], [600]), 0, np.random.default_rng(0))
    assert document.actions.shape == (0, 4, 4)
    batch = collate([[document, of_count(window(), 1)]], LAYOUT)
    assert batch.actions.shape == (1, LAYOUT.max_control_steps, 4, 4)
    assert batch.actions[0, 0, :, -1].tolist() == [1, 0, 0, 0]


def test_a_prompt_gives_what_its_steps_commit() -> None:
    step = ControlStep(IMAGES, np.zeros(2, np.float32), committed=np.array([[0.5, -0.5]], np.float32))
    document = prompt_with(trajectory(LAYOUT, ControlTokens(512), 0, [600], [step]), [step])
    np.testing.assert_array_equal(document.actions[0], [[0.5, -0.5, 0, 1], *[[0] * 4] * 3])
