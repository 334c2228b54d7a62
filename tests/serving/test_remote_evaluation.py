"""Our own run through the server, asked by our own remote policy: the answers, and the identity, of the run itself."""

import numpy as np
import pytest

from polymath.evaluation.remote_candidate import of_address
from polymath.evaluation.run_candidate import of_run
from polymath.policy import Policy
from polymath.policy.session import BATCH, EpisodeKey, Turn
from polymath.serving.run import weights_of

from .conftest import STRIDE, observation, running, served


@pytest.mark.parametrize("name", ["plain", "streaming"])
def test_answers_and_identity_are_those_of_the_run(runs, policies: dict[str, Policy], name: str) -> None:
    """In-process answers come in passes of BATCH rows, so the server has these alone (`--rows 8`)."""
    ours = of_run(runs[name])
    weights = weights_of(policies[name], int8=False)
    with running([served(policies[name], rows=(BATCH,), weights=weights)], max_latency=0.05) as server:
        theirs = of_address(f"{server.url}?wait=5")
        assert (theirs.name, theirs.checkpoint, theirs.weights) == (ours.name, ours.checkpoint, ours.weights)
        assert (theirs.embodiment, theirs.cameras, theirs.image_size) == (
            ours.embodiment,
            ours.cameras,
            ours.image_size,
        )
        assert (theirs.decode, theirs.execute, theirs.trained_on) == (ours.decode, ours.execute, ours.trained_on)
        keys = [EpisodeKey("press", "seen", seed) for seed in range(3)]
        sessions = [[candidate.policy.open(key) for key in keys] for candidate in (ours, theirs)]
        executed: list = [None] * len(keys)
        for step in range(6):
            answers = [
                candidate.policy.answer(
                    [Turn(s, observation(10 * i + step), executed[i]) for i, s in enumerate(opened)]
                )
                for candidate, opened in zip((ours, theirs), sessions, strict=True)
            ]
            for own, served_chunk in zip(*answers, strict=True):
                np.testing.assert_array_equal(own.actions, served_chunk.actions)
            executed = [chunk.actions[:STRIDE] for chunk in answers[0]]
            if step == 3:
                for session in (*sessions[0], *sessions[1]):
                    session.reset()
                executed = [None] * len(keys)
        for session in sessions[1]:
            session.close()


def test_over_vla_evals_protocol_too(runs, policies: dict[str, Policy]) -> None:
    ours = of_run(runs["plain"])
    with running([served(policies["plain"], rows=(BATCH,))]) as server:
        theirs = of_address(f"vla-eval+{server.url}/vla-eval")
        assert theirs.policy.contract is not None
        session = theirs.policy.open()
        expected = ours.policy.answer([Turn(ours.policy.open(), observation(0))])[0].actions
        actions = [session.act(observation(0)).actions[0] for _ in range(2)]
        np.testing.assert_array_equal(actions, expected[:2])
        session.close()
