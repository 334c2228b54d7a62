"""Choices of decoding, and draws of tokens against the softmax that they come from."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from polymath.errors import ConfigError
from polymath.policy.decoding import Decoding, seed_of
from polymath.policy.incremental import drawn, likeliest
from polymath.policy.readout import Readout
from polymath.policy.session import EpisodeKey
from polymath.training.run import Run


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (("beam",), "decode 'beam': choose head or tokens"),
        (("tokens", -0.5), "temperature -0.5: choose 0"),
        (("tokens", float("nan")), "temperature nan"),
        (("tokens", float("inf")), "temperature inf"),
        (("head", 0.5), "the action head draws nothing; set decode to tokens"),
    ],
)
def test_impossible_choices(choice: tuple, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Decoding(*choice)


def test_tokens_that_were_never_taught(run: Run) -> None:
    recipe = replace(run.recipe, layout=replace(run.recipe.layout, action_tokens=False))
    with pytest.raises(ConfigError, match=r"trained without them \(layout.action_tokens=False\); set decode to head"):
        Readout(replace(run, recipe=recipe), Decoding("tokens"))


def test_labels() -> None:
    labels = [Decoding().label, Decoding("tokens").label, Decoding("tokens", 0.7).label]
    assert labels == ["head", "tokens", "tokens-t0.7"]


def test_each_turn_of_each_episode_has_a_seed_of_its_own() -> None:
    keys = [EpisodeKey(task, split, seed) for task in ("a", "b") for split in ("s", "t") for seed in range(5)]
    seeds = {tuple(seed_of(key, turn)) for key in (*keys, 0, 1) for turn in range(10)}
    assert len(seeds) == 22 * 10
    np.testing.assert_array_equal(seed_of(keys[0], 3), seed_of(EpisodeKey("a", "s", 0), 3))


def test_drawn_tokens_follow_the_softmax_at_the_temperature() -> None:
    """4,000 rows of equal scores: frequencies within four standard errors of exp(score / t), normalised by numpy."""
    scores = np.array([0.0, 1.0, -1.0, 0.5], np.float32)
    rows = 4000
    seeds = np.stack([seed_of(EpisodeKey("a", "s", i), 0) for i in range(rows)])
    for temperature in (0.5, 2.0):
        ids = np.asarray(drawn(jnp.asarray(seeds), temperature)(jnp.tile(scores, (rows, 1)), jnp.asarray(0)))
        expected = np.exp(scores / temperature) / np.exp(scores / temperature).sum()
        spread = np.sqrt(expected * (1 - expected) / rows)
        assert (np.abs(np.bincount(ids, minlength=4) / rows - expected) < 4 * spread).all()


def test_a_draw_depends_on_its_row_and_step_alone() -> None:
    rng = np.random.default_rng(0)
    seeds = np.stack([seed_of(i, 0) for i in range(8)])
    scores = jnp.asarray(rng.normal(size=(8, 256)), jnp.float32)
    together = np.asarray(drawn(jnp.asarray(seeds), 1.0)(scores, jnp.asarray(5)))
    for i in range(8):
        alone = drawn(jnp.asarray(seeds[i : i + 1]), 1.0)(scores[i : i + 1], jnp.asarray(5))
        assert int(alone[0]) == together[i]
    assert (np.asarray(drawn(jnp.asarray(seeds), 1.0)(scores, jnp.asarray(6))) != together).any()
    np.testing.assert_array_equal(likeliest(scores, jnp.asarray(0)), np.asarray(scores).argmax(-1))
