"""Weights by hand: three caption tokens and <eos>; a window of W * A action tokens."""

import numpy as np
import pytest

from polymath.data.sequences import sequence
from polymath.data.sequences.loss_weights import weigh
from polymath.data.sequences.sequence import ControlStep, Document, Layout
from polymath.tokenizer import ControlTokens

LAYOUT = Layout(latents_per_image=2, image_size=4, chunk_length=4, action_dim=3, state_dim=2)
IMAGE = np.zeros((4, 4, 3), np.uint8)


def pair(caption: int) -> Document:
    return sequence.pair(LAYOUT, ControlTokens(512), IMAGE, [600] * caption)


def window() -> Document:
    step = ControlStep(IMAGE[None], np.zeros(2, np.float32), np.zeros((4, 3), np.float32), np.arange(4) < 3)
    return sequence.trajectory(LAYOUT, ControlTokens(512), 0, [600, 601], [step])


def test_per_token_every_learned_token_counts() -> None:
    assert weigh(pair(3), 1.0).loss_weights.tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert weigh(pair(3), 0.5).loss_weights.tolist() == [0, 0, 0, 0.5, 0.5, 0.5, 0.5]
    assert weigh(window(), 2.0).loss_weights.sum() == 2.0 * 3 * 3  # three real steps of three dimensions


@pytest.mark.parametrize("document", [pair(1), pair(30), window()], ids=["short", "long", "window"])
@pytest.mark.parametrize("weight", [1.0, 0.25, 4.0])
def test_per_document_the_whole_counts_as_configured(document: Document, weight: float) -> None:
    weighted = weigh(document, weight, "document").loss_weights
    assert np.isclose(weighted.sum(dtype=np.float64), weight, rtol=1e-6)
    assert ((weighted > 0) == (document.loss_weights > 0)).all()


def test_a_document_without_learned_tokens_stays() -> None:
    silent = sequence.pointing(LAYOUT, ControlTokens(512), IMAGE, [600], np.zeros((4, 3)), np.ones((4, 3), bool))
    assert weigh(silent, 3.0, "document") is silent
