"""One function a kind: the content of a row -> its training document. Pictures may be of any size; they are fitted.

    text, picture               pair_document
    question, picture, numbers  pointing_document
    text and pictures           interleaved_document
    an episode, a control step  window_document

`documents` calls them row by row while training on raw sets, `prepare.documents` once for all.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8

from polymath.data.files.images import fit
from polymath.data.sequences import sequence
from polymath.data.sequences.interleaved import Piece, interleaved
from polymath.data.sequences.sequence import Document, Layout
from polymath.data.sequences.transforms import RobotTransform, pad_chunk
from polymath.errors import DataError
from polymath.tokenizer import ControlTokens, Tokenizer
from polymath.types import Pointing


def caption_ids(text: str, tokenizer: Tokenizer, where: str) -> list[int]:
    """Tokens of a caption. Raises DataError, naming it by `where`, if it is empty."""
    if not text.strip():
        raise DataError(f"{where}.text: is empty; write a caption or drop the pair")
    return tokenizer.encode(text)


def pair_document(
    layout: Layout, control: ControlTokens, image: UInt8[np.ndarray, "height width 3"], caption: Sequence[int]
) -> Document:
    """A picture and the tokens of its caption."""
    return sequence.pair(layout, control, fit(image, layout.image_size, layout.image_fit), caption)


def pointing_document(
    layout: Layout,
    control: ControlTokens,
    image: UInt8[np.ndarray, "height width 3"],
    question: Sequence[int],
    pointing: Pointing,
) -> Document:
    """A picture, the tokens of a question about it, and the answer's numbers; see `check_pointing`."""
    fitted = fit(image, layout.image_size, layout.image_fit)
    return sequence.pointing(layout, control, fitted, question, pointing.targets, pointing.mask)


def interleaved_document(layout: Layout, tokenizer: Tokenizer, parts: Sequence[str | np.ndarray]) -> Document:
    """Texts and pictures (uint8 [height, width, 3]) in reading order."""
    pieces: list[Piece] = [
        tokenizer.encode(part) if isinstance(part, str) else fit(part, layout.image_size, layout.image_fit)
        for part in parts
    ]
    return interleaved(layout, tokenizer.control, pieces)


def window_steps(layout: Layout, step: int) -> range:
    """The control steps of the window that ends at `step`: at most `window`, `stride` apart, oldest first."""
    return range(step % layout.stride, step + 1, layout.stride)[-layout.window :]


def window_document(
    transform: RobotTransform,
    instruction: Sequence[int],
    step: int,
    images: UInt8[np.ndarray, "n C height width 3"],
    states: Float[np.ndarray, "T state_dim"],
    actions: Float[np.ndarray, "T A"],
) -> Document:
    """The window that ends at control step `step` of an episode of T steps.

    images: of the n steps `window_steps` alone; states and actions: of the whole episode, in the robot's units. A chunk
    that reaches beyond the episode's end repeats the last action, masked.
    """
    length = transform.layout.chunk_length
    steps = []
    for pictures, t in zip(images, window_steps(transform.layout, step), strict=True):
        chunk = actions[t : t + length]
        steps.append(transform.step(pictures, states[t], pad_chunk(chunk, length), real=len(chunk)))
    return transform.document(instruction, steps)


def check_places(image: UInt8[np.ndarray, "height width 3"], layout: Layout, where: str) -> None:
    """Raise DataError, naming the row by `where`, where padding would move the places that the answer's numbers name.

    A column and a row are shares of the picture's sides. Stretching keeps them, and so does a square picture; which of
    the answer's numbers are places, and which metres, is not recorded, so they cannot be moved along.
    """
    height, width = image.shape[:2]
    if layout.image_fit == "pad" and height != width:
        raise DataError(
            f"{where}.pointing: its answer names places in a picture of {width} x {height}, which layout.image_fit=pad "
            "would move; give square pictures, leave pointing at 0, or set layout.image_fit=stretch",
            "dimensions",
        )


def check_pointing(pointing: Pointing, layout: Layout, where: str) -> None:
    """Raise DataError, naming the row by `where`, unless the answer is finite and of the layout's sizes."""
    shape = np.shape(pointing.targets)
    fits = len(shape) == 2 and shape[0] == layout.chunk_length and shape[1] <= layout.action_dim
    if not fits or np.shape(pointing.mask) != shape or not np.isfinite(pointing.targets).all():
        raise DataError(
            f"{where}.pointing: numbers of shape {shape} with a mask of {np.shape(pointing.mask)}, expected "
            f"{layout.chunk_length} rows of at most {layout.action_dim} finite ones and a mask as large; record the "
            "pairs for this layout",
            "width",
        )
