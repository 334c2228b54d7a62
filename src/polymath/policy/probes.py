"""A policy that is shown less than it could see, so that its score says what the rest was worth.

    blind   pictures are black: what proprioception and words alone can do
    deaf    the instruction is blank: what sight alone can do

Unlike a baseline that was trained without pictures or words, a probe is the same weights on inputs they never met.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from polymath.errors import ConfigError
from polymath.policy.session import (
    Acting,
    EpisodeKey,
    Policy,
    PolicySession,
    Session,
    Turn,
    check_sessions,
    name_of,
    with_sessions,
)
from polymath.types import ActionChunk, Observation

Probe = Literal["blind", "deaf"]
PROBES: tuple[Probe, ...] = get_args(Probe)


def probed(policy: Policy | Acting, probe: Probe, name: str | None = None) -> Policy:
    """The policy behind the probe, named NAME-blind or NAME-deaf unless `name` says otherwise.

    A trained run is given no instruction tokens, as in training with a blank instruction; any other policy the empty
    text. Raises ConfigError for an unknown probe.
    """
    check_probe(probe)
    name = name or f"{name_of(policy)}-{probe}"
    ablated = getattr(policy, "ablated", None)
    if callable(ablated):
        return ablated(name, blank_images=probe == "blind", blank_instruction=probe == "deaf")
    return Probed(with_sessions(policy), probe, name)


def check_probe(probe: str) -> None:
    """Raise ConfigError for an unknown probe."""
    if probe not in PROBES:
        raise ConfigError(f"probe {probe!r}: choose from {', '.join(PROBES)}")


class Probed:
    """Hides a part of every observation from `policy`."""

    def __init__(self, policy: Policy, probe: Probe, name: str) -> None:
        self.inner, self.probe, self.name = policy, probe, name

    def open(self, episode: EpisodeKey | None = None) -> "ProbedSession":
        return ProbedSession(self, self.inner.open(episode))

    def answer(self, turns: Sequence[Turn]) -> Sequence[ActionChunk]:
        """Raises DataError for a session that is closed or of another policy, and what the policy raises."""
        check_sessions(self, turns)
        hidden = _without_pictures if self.probe == "blind" else _without_words
        return self.inner.answer(
            [
                turn._replace(session=turn.session.inner, observation=hidden(turn.observation))  # type: ignore[attr-defined]
                for turn in turns
            ]
        )


class ProbedSession(PolicySession):
    """The session of the policy behind the probe."""

    def __init__(self, policy: Probed, inner: Session) -> None:
        self.policy, self.inner, self.closed = policy, inner, False

    def reset(self) -> None:
        """Forget the history."""
        self.inner.reset()

    def close(self) -> None:
        """Close the session of the policy behind the probe."""
        self.closed = True
        self.inner.close()


def _without_pictures(observation: Observation) -> Observation:
    return replace(observation, images={camera: np.zeros_like(image) for camera, image in observation.images.items()})


def _without_words(observation: Observation) -> Observation:
    return replace(observation, instruction="")
