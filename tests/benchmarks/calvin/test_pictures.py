"""The worker's resizing against the reader's, which is Pillow's: what is trained on is what is evaluated on."""

import numpy as np
import pytest
from calvin_worker.pictures import fit
from hypothesis import given, settings
from hypothesis import strategies as st

from polymath.data.files import images


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 240), st.integers(1, 260), st.integers(0, 2**32 - 1))
def test_resizing_equals_the_readers_bit_for_bit(side: int, size: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    np.testing.assert_array_equal(fit(image, size), images.fit(image, size))


@pytest.mark.parametrize(("side", "size"), [(200, 64), (84, 64), (200, 224), (84, 224), (200, 84), (84, 83)])
def test_official_cameras_are_resized_as_the_reader_does(side: int, size: int) -> None:
    extremes = np.random.default_rng(side).choice(np.array([0, 255], np.uint8), (side, side, 3))
    np.testing.assert_array_equal(fit(extremes, size), images.fit(extremes, size))


def test_size_0_leaves_the_official_size() -> None:
    image = np.zeros((84, 84, 3), np.uint8)
    assert fit(image, 0) is image
