"""Write a drawn variation into a compiled scene: colours, table, light, cameras and distractors (places come later)."""

import mujoco
import numpy as np

from polymath.benchmarks.metaworld.scene.cameras import place_camera
from polymath.benchmarks.metaworld.scene.scene import DISTRACTORS, HIDDEN, TABLE_PIXELS, TABLE_TEXTURE, Scene
from polymath.benchmarks.metaworld.scene.tables import table_pixels
from polymath.benchmarks.metaworld.scene.variation import Variation

_AMBIENT, _HEADLIGHT, _DIFFUSE = 0.30, 0.30, 0.20


def apply_variation(scene: Scene, variation: Variation) -> None:
    """Recolour and relight `scene.model` and place cameras and distractors. In place."""
    model = scene.model
    model.geom_rgba[list(scene.accent_geoms), :3] = variation.accent_rgb
    model.geom_rgba[list(scene.housing_geoms), :3] = variation.housing_rgb
    _light(model, variation.light)
    _table(model, variation)
    for name, pose in variation.cameras.items():
        place_camera(model, name, pose)
    _distractors(model, variation)


def _light(model: mujoco.MjModel, level: float) -> None:
    model.vis.headlight.ambient[:] = _AMBIENT * level
    model.vis.headlight.diffuse[:] = _HEADLIGHT * level
    model.vis.headlight.specular[:] = 0
    model.light_diffuse[:] = _DIFFUSE * level
    model.light_specular[:] = 0


def _table(model: mujoco.MjModel, variation: Variation) -> None:
    start = model.tex(TABLE_TEXTURE).adr[0]
    pixels = table_pixels(variation.table, TABLE_PIXELS).ravel()
    model.tex_data[start : start + pixels.size] = pixels


def _distractors(model: mujoco.MjModel, variation: Variation) -> None:
    present = {distractor.kind: distractor for distractor in variation.distractors}
    for kind, (_, _, height) in DISTRACTORS.items():
        body, geom = model.body(f"distractor/{kind}"), model.geom(f"distractor/{kind}")
        if kind in present:
            body.pos = np.array([*present[kind].place, height])
            geom.rgba[:3] = present[kind].rgb
        else:
            body.pos = np.array(HIDDEN)
