"""Scalings of the rotation against what their papers promise about the fastest and the slowest channel."""

import math

import numpy as np
import pytest

from polymath.model import rotary

WIDTH, THETA, TRAINED = 64, 10_000.0, 2048
PLAIN = np.asarray(rotary.frequencies(WIDTH, THETA))


def test_plain_frequencies_are_the_papers() -> None:
    np.testing.assert_allclose(PLAIN, [THETA ** (-2 * i / WIDTH) for i in range(WIDTH // 2)], rtol=1e-5)


def test_linear_divides_every_frequency() -> None:
    np.testing.assert_allclose(rotary.frequencies(WIDTH, THETA, rotary.Linear(4.0)), PLAIN / 4, rtol=1e-6)


def test_ntk_aware_keeps_the_fastest_and_slows_the_slowest_by_the_factor() -> None:
    scaled = np.asarray(rotary.frequencies(WIDTH, THETA, rotary.NtkAware(4.0)))
    assert scaled[0] == 1.0
    np.testing.assert_allclose(scaled[-1], PLAIN[-1] / 4, rtol=1e-5)
    assert (np.diff(scaled / PLAIN) < 0).all()


@pytest.mark.parametrize("scaling", [rotary.Yarn(4.0, TRAINED), rotary.Llama3(4.0, TRAINED)])
def test_ramps_keep_the_fast_and_interpolate_the_slow(scaling: rotary.Scaling) -> None:
    """Fast: at least 32 turns (YaRN), 4 turns (Llama 3) within the trained context; slow: less than one."""
    ratio = np.asarray(rotary.frequencies(WIDTH, THETA, scaling)) / PLAIN
    turns = TRAINED * PLAIN / (2 * math.pi)
    np.testing.assert_allclose(ratio[turns > 32 * 1.4], 1.0, rtol=1e-6)
    np.testing.assert_allclose(ratio[turns < 1 / 1.4], 0.25, rtol=1e-6)
    assert (np.diff(ratio) <= 1e-6).all()


def test_only_yarn_lengthens_the_vectors() -> None:
    assert rotary.magnitude(rotary.Yarn(8.0, TRAINED)) == pytest.approx(0.1 * math.log(8) + 1)
    assert {rotary.magnitude(s) for s in (None, rotary.Linear(8.0), rotary.NtkAware(8.0))} == {1.0}
