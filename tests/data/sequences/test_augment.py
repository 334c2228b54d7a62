"""Jitter is checked against its three steps one after the other in float64; shifts against hand-moved pictures."""

import time
from dataclasses import replace

import numpy as np

from polymath.data.sequences.augment import AT_ONCE, LUMA, Augmentation, augment, crop, jitter, shift

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)


def test_shift_repeats_the_border() -> None:
    image = np.arange(9, dtype=np.uint8).reshape(3, 3, 1).repeat(3, axis=2)
    assert shift(image, 1, 0)[..., 0].tolist() == [[0, 1, 2], [0, 1, 2], [3, 4, 5]]
    assert shift(image, 0, -1)[..., 0].tolist() == [[1, 2, 2], [4, 5, 5], [7, 8, 8]]


def test_jitter_is_saturation_then_contrast_then_brightness() -> None:
    values = IMAGES.astype(np.float64)
    grey = (values @ LUMA.astype(np.float64))[..., None]
    values = grey + 0.7 * (values - grey)
    values = 127.5 + 1.2 * (values - 127.5) + 10.0
    expected = np.clip(np.floor(values + 0.5), 0, 255)
    result = jitter(IMAGES, brightness=10.0, contrast=1.2, saturation=0.7)
    assert np.abs(result - expected).max() <= 1  # float32 against float64 at a rounding edge
    assert (result == expected).mean() > 0.99


def test_a_picture_of_any_size_is_jittered_as_its_rows_are() -> None:
    """More pixels than go through the matrix at once, and no multiple of them."""
    large = RNG.integers(0, 256, (2, 3, 2 * AT_ONCE // 6 + 5, 3), dtype=np.uint8)
    whole = jitter(large, brightness=-20.0, contrast=0.9, saturation=1.1)
    for picture, rows in zip(large, whole, strict=True):
        for row, expected in zip(picture, rows, strict=True):
            assert (jitter(row[None], -20.0, 0.9, 1.1)[0] == expected).all()


def test_neutral_jitter_changes_nothing() -> None:
    assert (jitter(IMAGES, 0.0, 1.0, 1.0) == IMAGES).all()


def test_the_same_random_numbers_give_the_same_pictures() -> None:
    first, again, other = (augment(Augmentation(), IMAGES, 2, np.random.default_rng(s)) for s in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
    assert first.shape == IMAGES.shape
    assert first.dtype == np.uint8


def test_one_camera_moves_as_one_and_cameras_apart() -> None:
    still = np.concatenate([IMAGES[:1]] * 4)  # camera 0, camera 1, camera 0, camera 1
    result = augment(Augmentation(brightness=0, contrast=0, saturation=0), still, 2, np.random.default_rng(3))
    assert (result[0] == result[2]).all()
    assert (result[1] == result[3]).all()
    assert (result[0] != result[1]).any()


def test_a_crop_is_its_window_stretched() -> None:
    """The left half of a picture of four grey columns, twice as wide; then the right half."""
    columns = np.array([0, 100, 200, 250], np.uint8)
    image = np.broadcast_to(columns[None, :, None], (4, 4, 3)).copy()
    result = crop(image, np.array([1.0, 0.5]), np.array([0.0, 0.0]))
    # Bilinear at the centres 0.25, 0.75, 1.25, 1.75 of columns whose centres are 0.5, 1.5 and 2.5
    assert result[0, :, 0].tolist() == [0, 25, 75, 125]
    right = crop(image, np.array([1.0, 0.5]), np.array([0.0, 1.0]))
    assert right[0, :, 0].tolist() == [175, 213, 238, 250]
    assert (crop(IMAGES[0], np.ones(2), np.zeros(2)) == IMAGES[0]).all()


def test_cropping_leaves_the_other_random_numbers_as_they_are() -> None:
    """Recipes without a crop give the pictures they always gave; a camera is cropped as one."""
    plain = Augmentation(brightness=0, contrast=0, saturation=0, shift=0)
    still = np.concatenate([IMAGES[:1]] * 4)
    result = augment(replace(plain, crop=0.5), still, 2, np.random.default_rng(3))
    assert (result[0] == result[2]).all()
    assert (result[0] != result[1]).any()
    assert (augment(plain, still, 2, np.random.default_rng(3)) == still).all()


def test_thousands_of_pictures_a_second() -> None:
    images = RNG.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    start, rng = time.process_time(), np.random.default_rng(0)
    for _ in range(500):
        augment(Augmentation(), images, 2, rng)
    assert 1000 / (time.process_time() - start) > 2000  # 8,000 on an idle core
