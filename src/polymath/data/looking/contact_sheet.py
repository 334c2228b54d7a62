"""A data set at a glance: one PNG of pictures with their text.

episodes   a title, then one row of pictures a camera: `columns` moments from its first to its last control step
pairs      `columns` pictures a row, each over its caption

Every picture keeps its aspect: its longer side is TILE pixels.
"""

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from polymath.data.interface import EpisodeSet, PairSet, camera_frames, episode_name
from polymath.data.looking.kinds import as_pairs, is_episodes
from polymath.data.looking.sample import spaced
from polymath.data.looking.thumbnails import filling
from polymath.errors import ConfigError, DataError
from polymath.files import atomic_write

TILE = 160
MARGIN = 8
FONT_SIZE = 11
LINE = 16
CAPTION_LINES = 8
CAPTION_LETTERS = 26
NAME_WIDTH, NAME_LETTERS = 80, 12  # of a camera's name, left of its pictures
FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial.ttf")  # where the machine has one
INK, PAPER = (30, 30, 30), (255, 255, 255)

Picture = UInt8[np.ndarray, "height width 3"]


def write_contact_sheet(source: Any, out: Path, rows: int = 8, columns: int = 8) -> None:
    """Write the sheet of at most `rows` x `columns` pictures, evenly spaced over the data set, to the PNG `out`.

    Raises ConfigError if its name has another suffix.
    """
    check_png(out)
    sheet = _episodes(source, rows, columns) if is_episodes(source) else _pairs(as_pairs(source), rows, columns)
    with atomic_write(Path(out)) as temporary:
        sheet.save(temporary, format="PNG")


def check_png(out: Path) -> None:
    """Raise ConfigError unless the name ends in .png, whatever the case."""
    if Path(out).suffix.lower() != ".png":
        raise ConfigError(f"--sheet {out}: the sheet is a PNG; give a name that ends in .png")


def _episodes(source: EpisodeSet, rows: int, columns: int) -> Image.Image:
    chosen = spaced(len(source), rows)
    blocks = [_block(source, episode, columns) for episode in chosen]
    names = source.embodiment.cameras if len(source.embodiment.cameras) > 1 else ("",)
    heights = [[max((picture.shape[0] for picture in strip), default=0) for strip in strips] for _, strips in blocks]
    label = NAME_WIDTH if len(names) > 1 else 0
    tall = sum(LINE + sum(height + MARGIN for height in each) for each in heights)
    sheet = Image.new("RGB", (MARGIN + label + columns * (TILE + MARGIN), MARGIN + tall), PAPER)
    draw, top = ImageDraw.Draw(sheet), MARGIN
    for (title, strips), sizes in zip(blocks, heights, strict=True):
        _write(draw, (MARGIN, top), title)
        top += LINE
        for name, strip, height in zip(names, strips, sizes, strict=False):
            _write(draw, (MARGIN, top), "\n".join(textwrap.wrap(name, NAME_LETTERS)))
            for column, picture in enumerate(strip):
                sheet.paste(Image.fromarray(picture), (MARGIN + label + column * (TILE + MARGIN), top))
            top += height + MARGIN
    return sheet


def _block(source: EpisodeSet, episode: int, columns: int) -> tuple[str, list[list[Picture]]]:
    """An episode's title, and of each camera its pictures; no picture of an episode that cannot be read."""
    try:
        steps = spaced(len(source.actions(episode)), columns)
        length = f"{steps[-1] + 1} control steps"
        title = f"{episode_name(source, episode)} · {source.task(episode)} · {length} · {source.instruction(episode)}"
        strips = [
            [filling(picture, TILE) for picture in camera_frames(source, episode, camera, steps)]
            for camera in range(len(source.embodiment.cameras))
        ]
    except DataError as error:
        return f"{episode_name(source, episode)} · bad ({error.kind})", []
    return title, strips


def _pairs(source: PairSet, rows: int, columns: int) -> Image.Image:
    chosen = spaced(len(source), rows * columns)
    sheet, draw = _blank(columns, -(-len(chosen) // columns), CAPTION_LINES)
    for place, index in enumerate(chosen):
        left, top = _corner(place % columns, place // columns, CAPTION_LINES)
        try:
            text = source.text(index)
            sheet.paste(Image.fromarray(filling(source.image(index), TILE)), (left, top))
        except DataError as error:
            text = f"bad ({error.kind})"
        caption = textwrap.wrap(text, width=CAPTION_LETTERS, max_lines=CAPTION_LINES, placeholder=" …")
        _write(draw, (left, top + TILE), "\n".join(caption))
    return sheet


def _blank(columns: int, rows: int, lines: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    sheet = Image.new("RGB", _corner(columns, rows, lines), PAPER)
    return sheet, ImageDraw.Draw(sheet)


def _corner(column: int, row: int, lines: int) -> tuple[int, int]:
    """Upper left pixel of a cell; that of the cell beyond the last is the size of the sheet."""
    return MARGIN + column * (TILE + MARGIN), MARGIN + row * (TILE + lines * LINE + MARGIN)


def _write(draw: ImageDraw.ImageDraw, corner: tuple[int, int], text: str) -> None:
    """Black on white, in a font of the machine, or else in Pillow's own, which knows Latin-1 only."""
    for name in FONTS:
        try:
            draw.multiline_text(corner, text, fill=INK, font=ImageFont.truetype(name, FONT_SIZE), spacing=2)
            return
        except OSError:
            continue
    known = text.encode("latin-1", "replace").decode("latin-1")
    draw.multiline_text(corner, known, fill=INK, font=ImageFont.load_default_imagefont(), spacing=4)
