"""Pictures as clients write them: layouts, floats, colours, bars, each read back to what was written."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from polymath.data.files.images import fit
from polymath.errors import DataError
from polymath.policy.contract import Colour, Layout, Values
from polymath.serving.adapters.pictures import Images, as_bytes, padded, without_bars

PICTURES = arrays.arrays(np.uint8, st.tuples(st.integers(4, 9), st.integers(4, 9), st.just(3)))


@given(picture=PICTURES)
@pytest.mark.parametrize("layout", ["HWC", "CHW"])
@pytest.mark.parametrize("values", ["uint8", "float32 0..1"])
@pytest.mark.parametrize("colour", ["RGB", "BGR"])
@pytest.mark.parametrize("turned", [0, 180])
@settings(max_examples=10, deadline=None)
def test_a_picture_is_read_as_it_was_written(
    picture: np.ndarray, layout: Layout, values: Values, colour: Colour, turned: int
) -> None:
    sent = np.rot90(picture, turned // 90)
    sent = sent[..., ::-1] if colour == "BGR" else sent
    sent = sent.astype(np.float32) / 255 if values != "uint8" else sent
    sent = np.moveaxis(sent, -1, 0) if layout == "CHW" else sent
    images = Images(layout, colour, values, turned=turned)  # type: ignore[arg-type]
    read = images.picture(sent, "image")
    np.testing.assert_array_equal(read, picture)
    assert read.flags.c_contiguous
    assert len(images.conversions()) == sum((layout == "CHW", values != "uint8", colour == "BGR", turned == 180))


def test_every_level_survives_the_way_through_floats() -> None:
    levels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(as_bytes(levels / np.float32(255)), levels)
    np.testing.assert_array_equal(as_bytes((levels / 255).astype(np.float16)), levels)


def resize_with_pad(image: np.ndarray, side: int) -> np.ndarray:
    """As openpi_client.image_tools does it (its rounding included)."""
    height, width = image.shape[:2]
    ratio = max(width / side, height / side)
    rows, columns = int(height / ratio), int(width / ratio)
    whole = Image.new("RGB", (side, side), 0)
    resized = Image.fromarray(image).resize((columns, rows), Image.Resampling.BILINEAR)
    whole.paste(resized, (int((side - columns) / 2), int((side - rows) / 2)))
    return np.asarray(whole)


@pytest.mark.parametrize(
    ("size", "ratio"), [((1280, 720), 16 / 9), ((640, 480), 4 / 3), ((320, 180), 16 / 9), ((480, 640), 3 / 4)]
)
@pytest.mark.parametrize("side", [224, 256, 84])
def test_the_view_of_a_padded_picture_is_what_was_padded(size: tuple[int, int], ratio: float, side: int) -> None:
    width, height = size
    camera = np.full((height, width, 3), 200, np.uint8)
    view = without_bars(resize_with_pad(camera, side), ratio, "image")
    assert abs(view.shape[1] / view.shape[0] / ratio - 1) < 0.03
    inner = view[1:-1, 1:-1]
    assert int(inner.min()) == 200
    assert view.shape[0] * view.shape[1] >= 0.97 * side * side * min(ratio, 1 / ratio)


@pytest.mark.parametrize("size", [(1280, 720), (640, 480), (320, 180)])
def test_a_checkpoint_of_padded_pictures_sees_what_the_client_padded(size: tuple[int, int]) -> None:
    """Bars cut off by the adapter and drawn again by the policy: the client's own pixels."""
    camera = np.random.default_rng(0).integers(1, 256, (size[1], size[0], 3), np.uint8)
    sent = resize_with_pad(camera, 224)
    np.testing.assert_array_equal(fit(without_bars(sent, size[0] / size[1], "image"), 224, "pad"), sent)
    np.testing.assert_array_equal(fit(camera, 224, "pad"), sent)


def test_where_a_view_lies() -> None:
    """openpi: 224 x 126 in the middle, 49 rows above and below."""
    assert padded(224, 224, 16 / 9) == (49, 175, 0, 224)
    assert padded(224, 224, 4 / 3) == (28, 196, 0, 224)


def test_a_stretched_picture_is_not_cut() -> None:
    stretched = np.full((224, 224, 3), 90, np.uint8)
    with pytest.raises(DataError, match=r"image: a picture of 224 x 224 with 90 of 255 where a view of 1.78:1"):
        without_bars(stretched, 16 / 9, "image")


@pytest.mark.parametrize("values", [[-0.1, 1.0], [0.0, 255.0], [np.nan, 0.0], [0.0, np.inf]])
def test_floats_outside_of_their_range(values: list[float]) -> None:
    picture = np.resize(np.array(values, np.float32), (4, 4, 3))
    with pytest.raises(DataError, match=r"image: values of .*float32 0..1"):
        Images(values="float32 0..1").picture(picture, "image")


def test_bytes_where_floats_were_agreed() -> None:
    with pytest.raises(DataError, match=r"uint8 .*send RGB, float32 0..1"):
        Images(values="float32 0..1").picture(np.zeros((4, 4, 3), np.uint8), "image")
