"""A data set at a glance: one PNG of pictures with their text.

episodes   one row an episode: `columns` moments from its first to its last control step, the first camera
pairs      `columns` pictures a row, each over its caption
"""

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from polymath.data.interface import EpisodeSet, PairSet, episode_name
from polymath.data.looking.kinds import as_pairs, is_episodes
from polymath.data.looking.sample import spaced
from polymath.errors import ConfigError, DataError
from polymath.files import atomic_write

TILE = 160
MARGIN = 8
FONT_SIZE = 11
LINE = 16
CAPTION_LINES = 8
CAPTION_LETTERS = 26
FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial.ttf")  # where the machine has one
INK, PAPER = (30, 30, 30), (255, 255, 255)


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
    sheet, draw = _blank(columns, len(chosen), lines=1)
    for row, episode in enumerate(chosen):
        left, top = _corner(0, row, lines=1)
        try:
            steps = spaced(len(source.actions(episode)), columns)
            length = f"{steps[-1] + 1} control steps"
            title = (
                f"{episode_name(source, episode)} · {source.task(episode)} · {length} · {source.instruction(episode)}"
            )
            pictures = source.frames(episode, steps)[:, 0]
        except DataError as error:
            title, pictures = f"{episode_name(source, episode)} · bad ({error.kind})", np.zeros((0, 1, 1, 3), np.uint8)
        _write(draw, (left, top), title)
        for column, picture in enumerate(pictures):
            sheet.paste(_tile(picture), (_corner(column, row, lines=1)[0], top + LINE))
    return sheet


def _pairs(source: PairSet, rows: int, columns: int) -> Image.Image:
    chosen = spaced(len(source), rows * columns)
    sheet, draw = _blank(columns, -(-len(chosen) // columns), CAPTION_LINES)
    for place, index in enumerate(chosen):
        left, top = _corner(place % columns, place // columns, CAPTION_LINES)
        try:
            text = source.text(index)
            sheet.paste(_tile(source.image(index)), (left, top))
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


def _tile(picture: UInt8[np.ndarray, "height width 3"]) -> Image.Image:
    return Image.fromarray(picture).resize((TILE, TILE), Image.Resampling.BICUBIC)


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
