"""Sources of all kinds, small, with bad rows and duplicates among them; a tokenizer."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polymath.data.files.images import encode_jpeg, encode_png
from polymath.data.sequences.sequence import Layout
from polymath.tokenizer import Tokenizer

FIXTURES = Path(__file__).parents[2] / "fixtures" / "data"
LAYOUT = Layout(
    length=96, latents_per_image=4, image_size=32, max_images=6, max_control_steps=6, action_dim=7, state_dim=8
)


def noise(seed: int, size: int = 64) -> np.ndarray:
    cells = np.random.default_rng(seed).integers(0, 256, (8, 8, 3))
    return np.kron(cells, np.ones((size // 8, size // 8, 1))).astype(np.uint8)


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """40 pairs (rows 3 damaged, 5 empty, 7 too small, 9 like 8, resized), documents, LeRobot, RLDS (one unlabelled)."""
    place = tmp_path_factory.mktemp("sources")
    images = [encode_jpeg(noise(i)) for i in range(40)]
    texts = [f"a picture of noise with the number {i}" for i in range(40)]
    images[3], texts[5], images[7] = images[3][:60], " ", encode_png(noise(7, 16))
    images[9], texts[9] = encode_png(np.repeat(np.repeat(noise(8), 2, 0), 2, 1)), texts[8].upper() + "!"
    (place / "pairs").mkdir()
    pq.write_table(pa.table({"image": images, "text": texts}), place / "pairs" / "a.parquet", row_group_size=16)
    (place / "docs").mkdir()
    (place / "docs" / "1.png").write_bytes(encode_png(noise(1)))
    parts = [{"text": "first this"}, {"image": "1.png"}, {"text": "then that"}]
    (place / "docs" / "d.jsonl").write_text(json.dumps({"parts": parts}) + "\n{\n" + json.dumps({"parts": parts[:1]}))
    rlds = FIXTURES / "rlds" / "tfrecord" / "bridge_dataset"
    return [str(place / "pairs"), str(place / "docs"), f"lerobot:{FIXTURES / 'lerobot_v21_image'}", f"rlds:{rlds}"]


@pytest.fixture(scope="session")
def tokenizer_file(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer) -> Path:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer.save(path)
    return path
