"""Pictures for the page: what a camera saw, and the attention of the latents over what the model is shown."""

from collections.abc import Hashable

import numpy as np
from cachetools import LRUCache
from jaxtyping import UInt8
from PIL import Image

from polymath.data.files.images import encode_jpeg
from polymath.data.looking.overlay import attention_overlay
from polymath.errors import DataError
from polymath.policy import Policy
from polymath.policy.attention import Attention, Look
from polymath.types import Observation

QUALITY = 88
LARGEST = 640  # pixels of the longer side that is sent
SMALLEST = 256  # pixels of a side to which a small picture is brought before attention is painted over it
KEPT_LOOKS = 16
MEAN = "mean"


class Gaze:
    """Looks at observations, each once: choosing another latent or camera costs no pass of the model."""

    def __init__(self) -> None:
        self._attentions: dict[Policy, Attention] = {}
        self._looks: LRUCache[Hashable, Look] = LRUCache(KEPT_LOOKS)

    def picture(self, policy: Policy, observation: Observation, key: Hashable, camera: int, latent: str) -> bytes:
        """JPEG of a camera's picture with the attention of one latent over it, or of the mean of all of them.

        `key` tells observations apart. Raises DataError for a camera or a latent that there is not.
        """
        look = self._looks.get(key)
        if look is None:
            attention = self._attentions.setdefault(policy, Attention(policy))
            look = self._looks[key] = attention(observation)
        _check_camera(camera, len(look.images))
        weights = look.weights[camera]
        number = latent.isascii() and latent.isdecimal() and len(latent) <= 6
        if latent != MEAN and not (number and int(latent) < len(weights)):
            raise DataError(f"latent {latent[:20]!r}: choose 0 to {len(weights) - 1}, or {MEAN}")
        chosen = weights.mean(axis=0) if latent == MEAN else weights[int(latent)]
        return encode_jpeg(attention_overlay(_enlarged(look.images[camera]), chosen), QUALITY)


def camera_picture(observation: Observation, cameras: tuple[str, ...], camera: int) -> bytes:
    """JPEG of what the camera of that number saw, at most LARGEST pixels a side."""
    _check_camera(camera, len(cameras))
    image = observation.images[cameras[camera]]
    scale = LARGEST / max(image.shape[:2])
    if scale < 1:
        height, width = (max(round(side * scale), 1) for side in image.shape[:2])
        image = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
    return encode_jpeg(image, QUALITY)


def _check_camera(camera: int, count: int) -> None:
    if not 0 <= camera < count:
        raise DataError(f"camera {camera}: choose 0 to {count - 1}")


def _enlarged(image: UInt8[np.ndarray, "size size 3"]) -> UInt8[np.ndarray, "larger larger 3"]:
    factor = -(-SMALLEST // len(image))
    return image.repeat(factor, axis=0).repeat(factor, axis=1) if factor > 1 else image
