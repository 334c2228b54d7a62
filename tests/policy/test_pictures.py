"""Pictures of a hand-made batch: sizes from the layout, colours from kinds of tokens, gaze on the brightest patch."""

from dataclasses import replace

import numpy as np

from polymath.data.looking.overlay import attention_overlay
from polymath.data.sequences.packing import collate
from polymath.model import polymath_v
from polymath.policy import pictures
from polymath.policy.pictures import CELL, COLOURS, COLUMNS, TILE
from polymath.training.run import Run
from polymath.types import Batch

from .conftest import observation


def batch(run: Run) -> Batch:
    prompts = [run.transform.prompt([observation(seed)]) for seed in (0, 1)]
    return collate([prompts], replace(run.recipe.layout, max_images=3, max_control_steps=2))


def test_every_token_is_a_cell_in_its_kinds_colour(run: Run) -> None:
    made = batch(run)
    sheet = np.asarray(pictures.draw_tokens(run.tokenizer, made))
    length = int((made.segment_ids > 0).sum())
    assert sheet.shape == (-(-length // COLUMNS) * CELL[1], COLUMNS * CELL[0], 3)
    for place in range(length):
        corner = sheet[place // COLUMNS * CELL[1] + 2, place % COLUMNS * CELL[0] + 2]
        assert tuple(corner) == COLOURS[pictures.kind(run.tokenizer, int(made.tokens[0, place]))]


def test_labels_name_control_tokens_and_show_text(run: Run) -> None:
    control = run.tokenizer.control
    assert pictures.label(run.tokenizer, control.readouts[1]) == "<act:1>"
    assert pictures.kind(run.tokenizer, control.actions[7]) == "action"
    (press,) = run.tokenizer.encode("a")
    assert (pictures.label(run.tokenizer, press), pictures.kind(run.tokenizer, press)) == ("a", "text")


def test_mask_is_two_triangles(run: Run) -> None:
    made = batch(run)
    picture = np.asarray(pictures.draw_mask(made.segment_ids))
    used = int((made.segment_ids > 0).sum())
    scale = len(picture) // used
    seen = (picture[::scale, ::scale] != 255).any(axis=-1)
    segments = made.segment_ids[0, :used]
    expected = (segments[:, None] == segments) & np.tri(used, dtype=bool)
    np.testing.assert_array_equal(seen, expected)


def test_a_line_per_picture_with_the_gaze_of_mean_and_latents(run: Run, params: polymath_v.Params) -> None:
    sheet = np.asarray(pictures.draw_latents(params, run.recipe.model, batch(run)))
    assert sheet.shape == (2 * TILE, (2 + pictures.SHOWN_LATENTS) * TILE, 3)
    original = np.asarray(observation(1).images["front"]).repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(sheet[TILE:, :TILE], original)


def test_the_overlay_is_reddest_where_the_weight_is() -> None:
    gaze = np.full(64, 0.1, np.float32)
    gaze[8 * 6 + 1] = 1.0  # row 6, column 1 of 8 x 8 patches
    shown = attention_overlay(np.full((TILE, TILE, 3), 128, np.uint8), gaze).astype(int)
    row, column = np.unravel_index((shown[..., 0] - shown[..., 2]).argmax(), (TILE, TILE))
    assert (row // 16, column // 16) == (6, 1)
