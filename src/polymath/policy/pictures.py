"""What a model is shown and where it looks, as pictures: tokens, attention mask, attention of the latents."""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image, ImageDraw, ImageFont

from polymath.data.looking.overlay import attention_overlay
from polymath.model import polymath_v
from polymath.model.attention import packed_causal_mask
from polymath.tokenizer import Tokenizer
from polymath.types import Batch

CELL = (92, 34)  # pixels of one token
COLUMNS = 12
TILE = 128  # pixels of one picture's side
SHOWN_LATENTS = 6
COLOURS = {
    "structure": (205, 205, 205),
    "picture": (158, 202, 225),
    "state": (253, 208, 162),
    "readout": (252, 146, 114),
    "action": (161, 217, 155),
    "text": (255, 255, 255),
}


def draw_tokens(tokenizer: Tokenizer, batch: Batch, row: int = 0) -> Image.Image:
    """One packed row in reading order: what each token is, with a bar under those that the cross-entropy learns.

    The colour says the kind of token, the small number which document of the row it belongs to.
    """
    length = int(np.count_nonzero(batch.segment_ids[row]))
    lines = -(-length // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * CELL[0], max(lines, 1) * CELL[1]), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for place in range(length):
        x, y = place % COLUMNS * CELL[0], place // COLUMNS * CELL[1]
        token = int(batch.tokens[row, place])
        box = (x, y, x + CELL[0] - 2, y + CELL[1] - 4)
        draw.rectangle(box, fill=COLOURS[kind(tokenizer, token)], outline=(120, 120, 120))
        draw.text((x + 4, y + 3), label(tokenizer, token)[:14], fill="black", font=font)
        draw.text((x + 4, y + 16), str(int(batch.segment_ids[row, place])), fill=(110, 110, 110), font=font)
        if batch.loss_weights[row, place] > 0:
            draw.rectangle((x, y + CELL[1] - 7, x + CELL[0] - 2, y + CELL[1] - 4), fill=(0, 90, 50))
    return sheet


def kind(tokenizer: Tokenizer, token: int) -> str:
    """The key of COLOURS."""
    control = tokenizer.control
    special = {control.img: "picture", control.state: "state"}
    if token in special:
        return special[token]
    if token in control.readouts:
        return "readout"
    if token in control.actions:
        return "action"
    return "structure" if token in (*control.ids, control.bos, control.eos) else "text"


def label(tokenizer: Tokenizer, token: int) -> str:
    control = tokenizer.control
    return control.names()[token - control.first] if token in control.ids else repr(tokenizer.decode([token]))[1:-1]


def draw_mask(segment_ids: Int[np.ndarray, "B S"], row: int = 0) -> Image.Image:
    """Query from top to bottom, key from left to right; coloured where the query sees the key, by document."""
    used = int(np.count_nonzero(segment_ids[row]))
    segments = np.asarray(segment_ids[row : row + 1, : max(used, 1)])
    mask = np.asarray(packed_causal_mask(jax.numpy.asarray(segments)))[0]
    palette = np.array(list(COLOURS.values())[1:5], np.uint8)
    colours = palette[segments[0] % len(palette)][:, None]
    picture = np.where(mask[..., None], colours, np.uint8(255))
    scale = max(1, 768 // len(picture))
    return Image.fromarray(picture.repeat(scale, axis=0).repeat(scale, axis=1))


def draw_latents(params: polymath_v.Params, model: polymath_v.Config, batch: Batch, row: int = 0) -> Image.Image:
    """A line per picture of the row: the picture, where all its latents look on average, where the first few look."""
    count = int(batch.image_index[row].max()) // model.resampler.latents + 1
    images = np.asarray(batch.images[row, : max(count, 1)])
    look = jax.jit(lambda params, images: polymath_v.latent_attention(params, model, images))
    weights = np.asarray(look(params, images), np.float32)
    lines = [
        np.concatenate([_tile(image), *(attention_overlay(_tile(image), gaze) for gaze in _shown(each))], axis=1)
        for image, each in zip(images, weights, strict=True)
    ]
    return Image.fromarray(np.concatenate(lines))


def _shown(weights: Float[np.ndarray, "Q P"]) -> Sequence[Float[np.ndarray, " P"]]:
    return [weights.mean(axis=0), *weights[:SHOWN_LATENTS]]


def _tile(image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "TILE TILE 3"]:
    return np.asarray(Image.fromarray(image).resize((TILE, TILE), Image.Resampling.NEAREST))
