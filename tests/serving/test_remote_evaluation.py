"""Our own run through the server, asked by our own remote policy: the answers, and the identity, of the run itself."""

from pathlib import Path

import numpy as np
import pytest

from polymath.errors import ConfigError
from polymath.evaluation.remote_candidate import of_address
from polymath.evaluation.run_candidate import of_run
from polymath.policy import Policy
from polymath.policy.session import BATCH, EpisodeKey, SessionsLost, Turn
from polymath.serving.access import Keys
from polymath.serving.endpoint import Tls
from polymath.serving.limits import Limits
from polymath.serving.run import weights_of

from .conftest import STRIDE, certificate, observation, running, served


@pytest.mark.parametrize("name", ["plain", "streaming"])
def test_answers_and_identity_are_those_of_the_run(runs, policies: dict[str, Policy], name: str) -> None:
    """In-process answers come in passes of BATCH rows, so the server has these alone (`--rows 8`)."""
    ours = of_run(runs[name])
    weights = weights_of(policies[name])
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


def test_a_drain_and_a_restart_lose_the_sessions_and_nothing_else(policies: dict[str, Policy]) -> None:
    with running([served(policies["plain"])]) as server:
        port = server.url.rpartition(":")[2]
        policy = of_address(f"{server.url}?wait=60").policy
        sessions = [policy.open(), policy.open()]
        before = sessions[0].act(observation(0))
    with pytest.raises(SessionsLost, match=r"has left .*1012"):
        policy.answer([Turn(session, observation(1)) for session in sessions])
    with running([served(policies["plain"])], port=int(port)):
        np.testing.assert_array_equal(policy.open().act(observation(0)).actions, before.actions)


def test_a_session_that_had_to_make_room_is_lost_where_it_remembers(policies: dict[str, Policy]) -> None:
    with running([served(policies["streaming"])], limits=Limits(sessions=1, send=1.0, drain=5.0)) as server:
        policy = of_address(server.url).policy
        first, second = policy.open(), policy.open()
        chunk = first.act(observation(0))
        second.act(observation(0))
        with pytest.raises(SessionsLost, match=r"has forgotten the episode, .*--sessions"):
            first.act(observation(1), chunk.actions[:STRIDE])


def test_keys_tls_and_names_that_do_not_fit(policies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain, private, file = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "key"
    certificate(chain, private)
    file.write_text("0123456789abcdef\n")
    with running([served(policies["plain"])], keys=Keys(["0123456789abcdef"]), tls=Tls(chain, private)) as server:
        with pytest.raises(ConfigError, match="TLS fails"):
            of_address(server.url, key_file=file)
        monkeypatch.setenv("SSL_CERT_FILE", str(chain))
        assert of_address(server.url, key_file=file).policy.open().act(observation(0)).actions.shape[1] == 4
        with pytest.raises(ConfigError, match="asks for a key"):
            of_address(server.url)
        with pytest.raises(ConfigError, match=r"refuses the connection \(HTTP 400: model 'other': is not served here"):
            of_address(f"{server.url}/other", key_file=file)
        with pytest.raises(ConfigError, match=r"HTTP 400: .*droid"):
            of_address(f"{server.url}?robot=droid", key_file=file)


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
