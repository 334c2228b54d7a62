"""Which pairs and episodes are kept: the reason for dropping one, or None. Hashes identify near-duplicates."""

import hashlib
import unicodedata

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from polymath.data.prepare.settings import Filter

HASH_WIDTH = 8


def text_reason(text: str, bounds: Filter) -> str | None:
    """Why a caption is dropped."""
    length = len(text.strip())
    if length < bounds.min_characters:
        return "text too short"
    if length > bounds.max_characters:
        return "text too long"
    if bounds.languages and language(text) not in bounds.languages:
        return "language"
    return None


def picture_reason(height: int, width: int, bounds: Filter) -> str | None:
    """Why a picture of that size is dropped."""
    if min(height, width) < bounds.min_side:
        return "picture too small"
    if max(height, width) > bounds.max_aspect * min(height, width):
        return "picture too narrow"
    return None


def episode_reason(steps: int, bounds: Filter) -> str | None:
    if steps < bounds.min_steps:
        return "episode too short"
    return "episode too long" if steps > bounds.max_steps else None


def language(text: str) -> str:
    """ISO 639-1 code by py3langid (Lui and Baldwin 2012)."""
    import py3langid

    return py3langid.classify(text)[0]


def picture_hash(image: UInt8[np.ndarray, "height width 3"]) -> int:
    """64 signs of horizontal differences of a 9 x 8 grey thumbnail (dHash): equal for re-encoded, resized copies."""
    size = (HASH_WIDTH + 1, HASH_WIDTH)
    grey = np.asarray(Image.fromarray(image).convert("L").resize(size, Image.Resampling.BOX), np.int16)
    bits = np.packbits(grey[:, 1:] > grey[:, :-1])
    return int.from_bytes(bits.tobytes(), "big", signed=True)


def text_hash(text: str) -> int:
    """Equal for texts that differ only in case, accents' encoding, punctuation and spaces."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = "".join(c if c.isalnum() else " " for c in folded).split()
    return int.from_bytes(hashlib.blake2b(" ".join(words).encode(), digest_size=8).digest(), "big", signed=True)
