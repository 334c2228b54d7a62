"""packages/polymath-client against the real server: what it hands out is what the policy in this process answers."""

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from polymath.policy import Policy
from polymath.policy.session import Turn
from polymath_client import (
    Background,
    ChunkReplay,
    Connection,
    ContractError,
    Immediate,
    RealTimeChunking,
    Request,
    ServerError,
    Watchdog,
)

from .conftest import STRIDE, message, observation, running, served


@pytest.fixture(scope="module")
def committing(policies: dict[str, Policy]) -> Policy:
    """The plain run as if it had been trained with up to two committed actions."""
    plain = policies["plain"]
    recipe = replace(plain.run.recipe, robot=replace(plain.run.recipe.robot, committed=2))
    matrix = jnp.asarray(np.random.default_rng(0).normal(size=(5, 96)).astype(np.float32))
    return Policy(replace(plain.run, recipe=recipe), replace(plain.params, committed=matrix), "committing")


def asked(number: int, **more: Any) -> Request:
    return Request(message(observation(number)), **more)


def test_committed_actions_through_the_server(committing: Policy, policies: dict[str, Policy]) -> None:
    given = np.array([[0.1, -0.2, 0.3, 1.0], [0.2, 0.1, 0.0, -1.0]], np.float32)
    with running([served(committing), served(policies["plain"])]) as server:
        with Connection(server.url, claims={"rate": 20, "action": {"motion": "pose delta"}}) as connection:
            actions = connection.infer(asked(1, reset=True, committed=given)).actions
            expected = committing.answer([Turn(committing.open(), observation(1), committed=given)])[0].actions
            np.testing.assert_array_equal(actions[:2], given)
            np.testing.assert_allclose(actions, expected, atol=1e-5)
            with pytest.raises(ServerError, match=r"3 actions, but the training gave 2 at most \(robot.committed\)"):
                connection.infer(asked(1, committed=np.zeros((3, 4))))
            with pytest.raises(ServerError, match="NaN or infinity"):
                connection.infer(asked(1, committed=np.full((1, 4), np.nan)))
            background = Background(connection.infer)
            chunks, watchdog = RealTimeChunking(background, 1, 2), Watchdog.of(connection.contract)
            sent = 0
            while sent < 6:
                action = chunks.step(message(observation(sent)))
                assert watchdog.filter(action).shape == (4,)
                sent += action is not None
            background.close(10)
        with Connection(f"{server.url}/plain") as connection:
            with pytest.raises(ServerError, match=r"without committed actions .* --set robot.committed=D"):
                connection.infer(asked(1, committed=given))
            assert connection.infer(asked(1)).actions.shape == (4, 4), "the connection lives on"
        with pytest.raises(ContractError, match=r"action\.motion: robot 'joints', checkpoint 'pose delta'"):
            Connection(server.url, claims={"action": {"motion": "joints"}})
        with pytest.raises(ServerError, match="name of the model"):
            Connection(f"{server.url}/nothing")


def test_a_history_is_told_what_was_executed(policies: dict[str, Policy]) -> None:
    """Over two windows, the actions of the stream are those of a session in this process."""
    policy = policies["streaming"]
    with running([served(policy)]) as server, Connection(server.url) as connection:
        chunks, session, executed = ChunkReplay(Immediate(connection.infer), execute=STRIDE), policy.open(), None
        for turn in range(6):
            expected = session.act(observation(turn), executed).actions[:STRIDE]
            executed = np.stack([chunks.step(message(observation(turn))) for _ in range(STRIDE)])
            np.testing.assert_allclose(executed, expected, atol=1e-5)
