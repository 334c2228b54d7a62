"""Position embeddings of another resolution."""

import jax
import numpy as np


def resample(table: np.ndarray, class_token: bool, side: int) -> np.ndarray:
    """[P, D] (class position first, if any) for a picture of side x side patches, bicubic with antialiasing.

    The same as timm's `resample_abs_pos_embed` and open_clip's `resize_pos_embed`. (HF transformers interpolates with
    another cubic kernel, a = -0.75 instead of -0.5, and without antialiasing.)
    """
    first, grid = table[:class_token], table[class_token:]
    old = round(len(grid) ** 0.5)
    if old * old != len(grid):
        raise ValueError(f"{len(grid)} positions are no square")
    if old == side:
        return table
    picture = np.asarray(grid, np.float32).reshape(old, old, -1)
    resized = jax.image.resize(picture, (side, side, picture.shape[-1]), "cubic", antialias=True)
    return np.concatenate([first, np.asarray(resized).reshape(side * side, -1)])
