"""Probes of a user's policy and of a trained run."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from polymath.errors import ConfigError, DataError
from polymath.model import polymath_v
from polymath.policy import Policy
from polymath.policy.probes import probed
from polymath.policy.session import Turn
from polymath.training.run import Run
from polymath.types import ActionChunk, Observation

from .conftest import observation


class Notes:
    """Keeps what it was shown."""

    name = "notes"

    def __init__(self) -> None:
        self.shown: list[Observation] = []

    def act(self, observations: Sequence[Observation]) -> list[ActionChunk]:
        self.shown += observations
        return [ActionChunk(observation.state[None]) for observation in observations]


def test_what_a_users_policy_is_shown() -> None:
    seen = observation(0)
    for probe, black, words in (("blind", True, seen.instruction), ("deaf", False, "")):
        notes = Notes()
        policy = probed(notes, probe)  # type: ignore[arg-type]
        session = policy.open()
        chunk = session.act(seen)
        session.reset()
        shown = notes.shown[0]
        assert policy.name == f"notes-{probe}"
        assert shown.instruction == words
        assert bool(shown.images["front"].any()) is not black
        assert shown.images["front"].shape == seen.images["front"].shape
        np.testing.assert_array_equal(shown.state, seen.state)
        np.testing.assert_array_equal(chunk.actions, seen.state[None])
        session.close()
        with pytest.raises(DataError, match="is closed"):
            session.act(seen)
        with pytest.raises(DataError, match=f"opened by another policy than notes-{probe}"):
            policy.answer([Turn(probed(notes, probe).open(), seen)])  # type: ignore[arg-type]


def test_a_run_is_probed_as_its_baselines_are_trained(run: Run, params: polymath_v.Params) -> None:
    """Blind equals black pictures; deaf equals a prompt without instruction tokens, whatever the words."""
    policy = Policy(run, params, "arm")
    first, other = observation(0), observation(1)
    blind, deaf = probed(policy, "blind"), probed(policy, "deaf")
    assert (policy.name, blind.name, deaf.name) == ("arm", "arm-blind", "arm-deaf")
    black = replace(first, images={"front": np.zeros_like(first.images["front"])})
    expected = policy.open().act(black).actions
    np.testing.assert_array_equal(blind.open().act(first).actions, expected)
    np.testing.assert_array_equal(blind.open().act(replace(first, images=other.images)).actions, expected)
    words = deaf.open().act(first).actions
    np.testing.assert_array_equal(deaf.open().act(replace(first, instruction="open the door")).actions, words)
    assert np.abs(words - policy.open().act(first).actions).max() > 1e-3
    assert len(deaf.transform.prompt([first]).tokens) == len(run.transform.prompt([first]).tokens) - len(  # type: ignore[attr-defined]
        run.tokenizer.encode(first.instruction)
    )


def test_an_unknown_probe() -> None:
    with pytest.raises(ConfigError, match="probe 'mute': choose from blind, deaf"):
        probed(Notes(), "mute")  # type: ignore[arg-type]
