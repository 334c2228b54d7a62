"""Invariants of the drawn scenes: pure function of (family, split, seed), held-out splits disjoint from training."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymath.benchmarks.metaworld.scene import variation as v
from polymath.benchmarks.metaworld.scene.cameras import CAMERAS, project
from polymath.benchmarks.metaworld.scene.families import FAMILIES
from polymath.benchmarks.metaworld.scene.shapes import STANDARD
from polymath.benchmarks.metaworld.scene.tables import NOVEL_TABLES, TRAIN_PATTERNS, TRAIN_TABLES
from polymath.errors import ConfigError

families = st.sampled_from(list(FAMILIES.values()))
seeds = st.integers(0, 2_000_000)


@given(families, st.sampled_from(v.SPLITS), seeds)
def test_same_key_same_scene(family, split, seed):
    assert v.draw(family, split, seed) == v.draw(family, split, seed)


@given(families, st.sampled_from(v.SPLITS), seeds)
def test_objects_stand_apart_and_within_reach(family, split, seed):
    drawn = v.draw(family, split, seed)
    gap = drawn.left[0] - drawn.right[0]
    if family.gap:
        assert gap >= 0.12  # metres: enough to tell two objects apart at 64 pixels
    else:
        assert drawn.left == drawn.right
    for x, y, _ in (drawn.left, drawn.right):
        assert abs(x) <= family.reach
        assert family.y_range[0] <= y <= family.y_range[1]


@given(families, st.sampled_from(v.SPLITS), seeds)
def test_parts_to_touch_are_in_the_picture(family, split, seed):
    drawn = v.draw(family, split, seed)
    for pose in drawn.cameras.values():
        points = np.array([drawn.left, drawn.right]) + np.array(family.part)
        cells = project(points, np.array(pose.position), pose.rotation(), pose.fovy, 64)
        assert (cells >= 0).all()
        assert (cells < 64).all()
        if family.gap:
            assert cells[0, 0] < cells[1, 0]  # left in the picture


@given(families, seeds)
def test_held_out_objects_are_never_drawn_in_training(family, seed):
    train, novel = v.draw(family, "train", seed), v.draw(family, "novel_objects", seed)
    assert train.shape == STANDARD != novel.shape
    assert train.accent in v.TRAIN_ACCENTS
    assert novel.accent in v.NOVEL_ACCENTS


@given(families, seeds)
def test_held_out_environments_are_never_drawn_in_training(family, seed):
    train, novel = v.draw(family, "train", seed), v.draw(family, "novel_environments", seed)
    assert novel.shape == STANDARD
    assert novel.accent in v.TRAIN_ACCENTS
    assert novel.table.name in NOVEL_TABLES
    assert train.table.name in TRAIN_TABLES
    assert train.table.pattern in TRAIN_PATTERNS
    assert novel.table.pattern in ("plain", "checkered", "striped")
    assert not 0.8 <= novel.light <= 1.2
    assert {d.kind for d in train.distractors} <= set(v.TRAIN_DISTRACTORS)
    assert {d.kind for d in novel.distractors} <= set(v.NOVEL_DISTRACTORS)
    for name, nominal in CAMERAS.items():
        moved = np.abs(np.subtract(novel.cameras[name].position, nominal.position))
        assert (moved > 0.029).all()  # training cameras move by at most 2.9 cm on an axis
        assert (moved <= 0.05).all()


def test_palettes_are_disjoint_and_far_apart():
    for train, novel in (
        (v.TRAIN_ACCENTS, v.NOVEL_ACCENTS),
        (v.TRAIN_HOUSINGS, v.NOVEL_HOUSINGS),
        (TRAIN_TABLES, {name: tones[0] for name, tones in NOVEL_TABLES.items()}),
    ):
        assert not set(train) & set(novel)
        distances = [np.abs(np.subtract(a, b)).max() for a in train.values() for b in novel.values()]
        assert min(distances) > 0.05


def test_accents_differ_from_tables():
    accents = [*v.TRAIN_ACCENTS.values(), *v.NOVEL_ACCENTS.values()]
    tables = [*TRAIN_TABLES.values(), *(tone for tones in NOVEL_TABLES.values() for tone in tones)]
    assert min(np.abs(np.subtract(a, t)).max() for a in accents for t in tables) > 0.15


def test_places_cannot_be_guessed():
    for family in FAMILIES.values():
        x = np.array([v.draw(family, "train", seed).left[0] for seed in range(400)])
        best = max(((x > low) & (x < low + 0.06)).mean() for low in np.linspace(-0.4, 0.4, 60))
        assert best < 0.3  # the best constant guess of x, 3 cm to either side


def test_unknown_split():
    with pytest.raises(ConfigError, match="novel_objects"):
        v.draw(FAMILIES["reach"], "test", 0)
