"""Table tops: patterns are what their names say and repeat without a seam; no training table looks like a novel one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymath.benchmarks.metaworld.scene import tables as t

seeds = st.integers(0, 100_000)


def top(novel, seed):
    return t.draw_table(novel, np.random.default_rng(seed))


def of_pattern(pattern, novel=False):
    return next(each for each in (top(novel, seed) for seed in range(999)) if each.pattern == pattern)


@pytest.mark.parametrize("pattern", ["striped", "checkered"])
def test_novel_patterns_have_two_tones_in_equal_shares(pattern):
    pixels = t.table_pixels(of_pattern(pattern, novel=True), 128)
    tones = np.unique(pixels.reshape(-1, 3), axis=0)
    assert len(tones) == 2
    assert 0.3 < (pixels == tones[0]).all(axis=-1).mean() < 0.7


@pytest.mark.parametrize("pattern", t.TRAIN_PATTERNS)
def test_training_patterns_show_their_first_tone_most(pattern):
    table = of_pattern(pattern)
    pixels = t.table_pixels(table, 128).astype(float) / 255
    assert pixels.shape == (128, 128, 3)
    tones = np.sort(np.array(table.tones), axis=0)
    assert (pixels >= tones[0] - 0.005).all()
    assert (pixels <= tones[1] + 0.005).all()
    assert (np.ptp(pixels, axis=(0, 1)) > 0.02).any() == (pattern != "plain")


@given(seeds)
def test_training_has_no_checks_no_stripes_and_no_novel_colour(seed):
    table, novel = top(False, seed), [tone for tones in t.NOVEL_TABLES.values() for tone in tones]
    assert table.name in t.TRAIN_TABLES
    assert table.pattern in t.TRAIN_PATTERNS
    assert top(False, seed) == table
    assert top(True, seed).name in t.NOVEL_TABLES
    base = t.TRAIN_TABLES[table.name]
    assert min(np.abs(np.subtract(base, tone)).max() for tone in novel) > 0.05


@pytest.mark.parametrize("pattern", ["dotted", "tiled", "shaded", "blotched"])
def test_a_texture_repeats_without_a_seam(pattern):
    pixels = t.table_pixels(of_pattern(pattern), 128).astype(float)
    inside = np.abs(np.diff(pixels, axis=0)).mean(axis=(1, 2)).max()
    assert np.abs(pixels[0] - pixels[-1]).mean() <= inside + 1  # no larger a jump than between other rows
