"""Pictures of a prepared set under layout.image_fit=pad: those that training on the raw set shows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from polymath.data.files.array_records import index
from polymath.data.files.images import decode, fit
from polymath.data.formats.webdataset.writer import WebDatasetWriter
from polymath.data.loading import record
from polymath.data.loading.prepared import check_layout, open_set
from polymath.data.prepare.pipeline import prepare
from polymath.data.prepare.settings import Settings
from polymath.errors import ConfigError
from polymath.types import ImageText

from .conftest import LAYOUT, noise

PADDED = replace(LAYOUT, image_fit="pad", chunk_length=4)


def test_prepared_pictures_are_padded_and_places_refused(tmp_path: Path, tokenizer_file: Path) -> None:
    """64 x 32 pixels become 32 x 16 between two bars of 8 rows; the question about them is set aside, by its row."""
    with WebDatasetWriter(tmp_path / "pairs") as writer:
        for number, picture in enumerate((noise(1)[:32], noise(2))):
            answer = {"question": "the cup", "targets": [[0.1] * 4] * 4, "mask": [[True] * 4] * 4}
            writer.add(ImageText(picture, f"picture {number} of noise"), {"pointing": answer})
    out, names = tmp_path / "out", [str(tmp_path / "pairs"), f"pointing:{tmp_path / 'pairs'}"]
    summary = prepare(names, tokenizer_file, PADDED, out, Settings(max_bad_share=0.5))["sources"]
    assert [(facts["kept"], facts["bad"]) for facts in summary.values()] == [(2, 0), (1, 1)]
    assert list(summary.values())[1]["reasons"] == {"dimensions": 1}
    (shard,) = (out / "00-pairs").glob("*.array_record")
    stored = [each for row in index(shard)[0] for each in record.decode_record(row.read(), PADDED, "here")]
    pictures = [decode(jpeg, "here").astype(int) for each in stored for jpeg in each.jpegs]
    for picture in (noise(1)[:32], noise(2)):
        expected = fit(picture, 32, "pad").astype(int)
        assert min(np.abs(each - expected).mean() for each in pictures) < 12  # of 255: JPEG
    assert sum(each[:7].max() < 20 and each[25:].max() < 20 for each in pictures) == 1
    check_layout(open_set(out), "pairs", PADDED, "recipe")
    with pytest.raises(ConfigError, match=r"was prepared for layout.image_fit of pad, but recipe has stretch; prepare"):
        check_layout(open_set(out), "pairs", replace(PADDED, image_fit="stretch"), "recipe")
