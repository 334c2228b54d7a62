"""Writes image-text pairs with the `webdataset` package and with Hugging Face `datasets`, and beside them the pictures.

    python tests/oracles/write_pairs.py OUT_DIR

OUT_DIR/webdataset/shard-00000{0,1}.tar    ShardWriter: JPEG, PNG, txt, json
OUT_DIR/parquet/pairs.parquet              Dataset.to_parquet with an Image feature: PNG
OUT_DIR/expected.npz                       images [5, 24, 32, 3] as given, jpeg_I: the bytes that webdataset wrote
"""

import io
import shutil
import sys
import tarfile
from pathlib import Path

import datasets
import numpy as np
import webdataset
from PIL import Image

TEXTS = ("a red cube", "größer 大", "two lines\nof text", "a cup", "the drawer is open")


def pictures() -> np.ndarray:
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:24, :32]
    slope = np.stack([6 * x + 40, 6 * y + 40, 3 * (x + y) + 40], axis=-1).astype(np.uint8)
    images = np.tile(slope, (len(TEXTS), 1, 1, 1))
    for image in images:
        row, column = rng.integers(0, 16, 2)
        image[row : row + 8, column : column + 8] = rng.integers(0, 256, 3)
    return images


def write_webdataset(out: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    """The first three as JPEG, the others as PNG."""
    out.mkdir(parents=True)
    with webdataset.ShardWriter(f"{out}/shard-%06d.tar", maxcount=3, verbose=0) as sink:
        for i, (image, text) in enumerate(zip(images, TEXTS, strict=True)):
            kind = "jpg" if i < 3 else "png"
            sink.write({"__key__": f"pairs/{i:05d}", kind: image, "txt": text, "json": {"index": i}})
    with tarfile.open(out / "shard-000000.tar") as tar:
        members = {info.name: tar.extractfile(info).read() for info in tar}
    return {f"jpeg_{i}": np.frombuffer(members[f"pairs/{i:05d}.jpg"], np.uint8) for i in range(3)}


def write_parquet(out: Path, images: np.ndarray) -> None:
    out.mkdir(parents=True)
    encoded = []
    for image in images:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, format="PNG")
        encoded.append({"bytes": buffer.getvalue(), "path": None})
    features = datasets.Features({"image": datasets.Image(), "text": datasets.Value("string")})
    data = datasets.Dataset.from_dict({"image": encoded, "text": list(TEXTS)}, features=features)
    data.to_parquet(out / "pairs.parquet", batch_size=2)


def main(out: Path) -> None:
    shutil.rmtree(out, ignore_errors=True)
    images = pictures()
    jpegs = write_webdataset(out / "webdataset", images)
    write_parquet(out / "parquet", images)
    np.savez_compressed(out / "expected.npz", images=images, **jpegs)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
