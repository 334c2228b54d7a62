"""JPEG against Pillow's decoder (libjpeg-turbo too), PNG against the pixels that were written."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from polymath.data.files import images
from polymath.errors import DataError

Y, X = np.mgrid[:48, :64]
PICTURE = np.stack([X * 4, Y * 5, X + Y], axis=-1).astype(np.uint8)


def test_png_is_lossless() -> None:
    assert (images.decode(images.encode_png(PICTURE), "x") == PICTURE).all()


def test_jpeg_decodes_as_pillow_does() -> None:
    data = images.encode_jpeg(PICTURE)
    expected = np.asarray(Image.open(io.BytesIO(data)))
    decoded = images.decode(data, "x")
    assert np.abs(decoded.astype(int) - expected).max() <= 2
    assert np.abs(decoded.astype(int) - PICTURE).mean() < 1.5


def test_grey_and_transparent_pictures_become_rgb() -> None:
    for mode in ("L", "RGBA", "P"):
        buffer = io.BytesIO()
        Image.fromarray(PICTURE).convert(mode).save(buffer, format="PNG")
        assert images.decode(buffer.getvalue(), "x").shape == PICTURE.shape


@pytest.mark.parametrize("keep", [0, 10, 300])
def test_damaged_pictures_are_named(keep: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, PICTURE.shape, dtype=np.uint8)
    for data in (images.encode_jpeg(noise), images.encode_png(noise)):
        with pytest.raises(DataError, match=r"shard-1: 7\.jpg: cannot decode"):
            images.decode(data[:keep], "shard-1: 7.jpg")


def test_a_decompression_bomb_is_refused() -> None:
    buffer = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(buffer, format="PNG")
    with pytest.raises(DataError, match=r"bomb\.png: cannot decode .*pixels"):
        images.decode(buffer.getvalue(), "bomb.png")


def test_fit_keeps_a_fitting_picture_and_averages_a_larger_one() -> None:
    square = PICTURE[:, :48]
    assert images.fit(square, 48) is square
    checkers = np.indices((64, 64)).sum(0)[..., None].repeat(3, 2) % 2 * 255
    small = images.fit(checkers.astype(np.uint8), 16)
    assert small.shape == (16, 16, 3)
    assert np.abs(small.astype(int) - 127).max() <= 2  # an area filter sees grey, a point filter black or white


def openpi_geometry(width: int, height: int, size: int) -> tuple[int, int, int, int]:
    """(top, left, rows, columns) by openpi's client, image_tools._resize_with_pad_pil: ratio = max(w/W, h/H), sides
    int(side / ratio), padding int((size - side) / 2) before.
    """
    ratio = max(width / size, height / size)
    rows, columns = int(height / ratio), int(width / ratio)
    return max(0, int((size - rows) / 2)), max(0, int((size - columns) / 2)), rows, columns


@given(st.integers(1, 700), st.integers(1, 700), st.sampled_from([16, 63, 64, 224]))
def test_padding_has_the_geometry_of_openpi(width: int, height: int, size: int) -> None:
    """Odd sizes above all; only a side that would vanish there is kept as one pixel."""
    picture = np.full((height, width, 3), 200, np.uint8)
    square = images.fit(picture, size, "pad")
    assert square.shape == (size, size, 3)
    if (width, height) == (size, size):
        return
    top, left, rows, columns = openpi_geometry(width, height, size)
    expected = np.zeros((size, size, 3), np.uint8)
    expected[top : top + max(rows, 1), left : left + max(columns, 1)] = 200
    if min(rows, columns) < 1:
        assert square.any(axis=(1, 2)).sum() == max(rows, 1)
        assert square.any(axis=(0, 2)).sum() == max(columns, 1)
    else:
        np.testing.assert_array_equal(square, expected)


@pytest.mark.parametrize(("width", "height"), [(641, 359), (101, 333), (480, 480), (7, 5)])
def test_the_padded_view_is_pillows_bilinear_one(width: int, height: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    top, left, rows, columns = openpi_geometry(width, height, 63)
    square = images.fit(picture, 63, "pad")
    resized = Image.fromarray(picture).resize((columns, rows), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(square[top : top + rows, left : left + columns], np.asarray(resized))
    outside = np.ones((63, 63), bool)
    outside[top : top + rows, left : left + columns] = False
    assert not square[outside].any()
    np.testing.assert_array_equal(images.fit(square, 63, "pad"), square)


@pytest.mark.parametrize("bad", [PICTURE[..., 0], PICTURE[..., :2], PICTURE / 255, PICTURE[:0]])
def test_only_rgb_bytes_fit(bad: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"image: \w+ \(.*is not uint8 \(height, width, 3\)"):
        images.fit(bad, 16)


def test_a_picture_that_is_no_array_is_named() -> None:
    with pytest.raises(DataError, match=r"image: a list, not an array of uint8 \(height, width, 3\)"):
        images.fit(PICTURE.tolist(), 16)  # type: ignore[arg-type]


def stored(pixels: np.ndarray, form: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=form)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["PNG", "TIFF", "PPM", "JPEG2000"])
def test_of_16_bits_the_upper_byte_is_kept(form: str) -> None:
    """Pillow's own conversion would clip everything above 255 to white."""
    depth = (500 + 1000 * X).astype(np.uint16)
    grey = images.decode(stored(depth, form), "x")
    np.testing.assert_array_equal(grey, np.repeat((depth >> 8)[..., None], 3, axis=2))


@pytest.mark.parametrize(("dtype", "kind"), [(np.float32, "floats"), (np.int32, "32-bit numbers")])
def test_measurements_are_refused(dtype: type, kind: str) -> None:
    with pytest.raises(DataError, match=rf"frame 3: its pixels are {kind}, a measurement such as depth; give 8-bit"):
        images.decode(stored((X * 1000).astype(dtype), "TIFF"), "frame 3")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_pictures_stand_upright(form: str, orientation: int) -> None:
    """Against Pillow's own `ImageOps.exif_transpose`."""
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    Image.fromarray(PICTURE).save(buffer, form, exif=exif, quality=95)
    with Image.open(io.BytesIO(buffer.getvalue())) as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    decoded = images.decode(buffer.getvalue(), "x")
    assert decoded.shape == expected.shape == ((48, 64, 3) if orientation < 5 else (64, 48, 3))
    assert np.abs(decoded.astype(int) - expected).max() <= 2


def test_damaged_exif_turns_nothing() -> None:
    buffer = io.BytesIO()
    Image.fromarray(PICTURE).save(buffer, "JPEG", exif=b"Exif\0\0II*\0\xff\xff")
    assert images.decode(buffer.getvalue(), "x").shape == PICTURE.shape
