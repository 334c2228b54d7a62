"""A document of text and pictures in reading order as a sequence of tokens.

token    <bos> First <img> <img> <img> then stop <eos>
weight     0     1     0     0     0    1    1    1
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from polymath.data.sequences.sequence import Document, Layout
from polymath.tokenizer import ControlTokens

Piece = Sequence[int] | UInt8[np.ndarray, "size size 3"]


def interleaved(layout: Layout, control: ControlTokens, pieces: Sequence[Piece]) -> Document:
    """Each piece is the ids of a text, or a picture already fitted to the layout."""
    tokens, weights, images, starts = [control.bos], [0.0], [], []
    for piece in pieces:
        if isinstance(piece, np.ndarray):
            starts.append(len(tokens))
            images.append(piece)
            tokens += [control.img] * layout.latents_per_image
            weights += [0.0] * layout.latents_per_image
        else:
            tokens += piece
            weights += [1.0] * len(piece)
    size = layout.image_size
    return Document(
        tokens=np.array([*tokens, control.eos], np.int32),
        loss_weights=np.array([*weights, 1.0], np.float32),
        images=np.stack(images) if images else np.zeros((0, size, size, 3), np.uint8),
        image_starts=np.array(starts, np.int32),
        states=np.zeros((0, layout.state_dim), np.float32),
        state_positions=np.zeros(0, np.int32),
        actions=np.zeros((0, layout.chunk_length, layout.action_dim), np.float32),
        action_mask=np.zeros((0, layout.chunk_length, layout.action_dim), bool),
        readout_positions=np.zeros((0, layout.chunk_length), np.int32),
    )
