"""Position embeddings of another resolution."""

from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import Float

Table = Float[np.ndarray, "positions D"]


def resample(table: Table, class_token: bool, side: int) -> Table:
    """[P, D] (class position first, if any) for a picture of side x side patches, bicubic with antialiasing.

    The same as timm's `resample_abs_pos_embed` and open_clip's `resize_pos_embed`; transformers does it for DINOv2 with
    registers.
    """
    return _resized(table, class_token, side, _antialiased)


def resample_plain(table: Table, class_token: bool, side: int) -> Table:
    """As `resample`, but as transformers resizes the tables of CLIP, SigLIP and DINOv2.

    That is torch's `interpolate(mode="bicubic", align_corners=False)`: another cubic kernel (a = -0.75 instead of -0.5)
    and no antialiasing.
    """
    return _resized(table, class_token, side, _bicubic)


def _resized(table: Table, class_token: bool, side: int, resize: Callable[[np.ndarray, int], np.ndarray]) -> Table:
    first, grid = table[:class_token], table[class_token:]
    old = round(len(grid) ** 0.5)
    if old * old != len(grid):
        raise ValueError(f"{len(grid)} positions are no square")
    if old == side:
        return table
    picture = np.asarray(grid, np.float32).reshape(old, old, -1)
    return np.concatenate([first, resize(picture, side).reshape(side * side, -1)])


def _antialiased(picture: np.ndarray, side: int) -> np.ndarray:
    return np.asarray(jax.image.resize(picture, (side, side, picture.shape[-1]), "cubic", antialias=True))


def _bicubic(picture: np.ndarray, side: int) -> np.ndarray:
    weights = _cubic_weights(len(picture), side)
    return np.einsum("ir,jc,rcd->ijd", weights, weights, picture, optimize=True).astype(np.float32)


def _cubic_weights(old: int, new: int, a: float = -0.75) -> np.ndarray:
    """[new, old]: how much of each old cell is in each new one; cells beyond the edge repeat the last one.

    The kernel is that of Keys 1981 ("Cubic convolution interpolation", eq. 4) with torch's a.
    """
    weights = np.zeros((new, old))
    for row, centre in zip(weights, (np.arange(new) + 0.5) * old / new - 0.5, strict=True):
        for cell in range(int(np.floor(centre)) - 1, int(np.floor(centre)) + 3):
            x = abs(centre - cell)
            near, far = (a + 2) * x**3 - (a + 3) * x**2 + 1, a * (x**3 - 5 * x**2 + 8 * x - 4)
            row[min(max(cell, 0), old - 1)] += near if x <= 1 else far
    return weights
