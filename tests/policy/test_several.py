"""One policy for several robots: each is driven by its own statistics, cameras and widths, and chosen by its name."""

from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from polymath import specs as weights
from polymath.data.robots.statistics import FieldStatistics, Statistics
from polymath.errors import ConfigError, DataError
from polymath.model import polymath_v
from polymath.policy import Policy
from polymath.policy.contract import Contract
from polymath.policy.session import Turn
from polymath.policy.several import SeveralRobots
from polymath.presets.demo import TINY
from polymath.tokenizer import Tokenizer
from polymath.training.fitting import for_robot
from polymath.training.robots import Robot
from polymath.training.run import DataRecord, Run, of_robots
from polymath.types import Embodiment, Observation

ARM = Embodiment("arm", 1, ("front",), ("x", "y"), ("dx", "dy", "grip"), (2,), 20.0)
LEG = Embodiment("leg", 2, ("left", "right"), tuple("abcdefghi"), tuple("tuvwxyz"), (), 10.0)
SPAN = {"arm": 1.0, "leg": 50.0}  # of the ordinary range of an action, to either side of 0


def statistics(robot: Embodiment) -> Statistics:
    def field(width: int) -> FieldStatistics:
        span = SPAN[robot.name]
        low, zero, high = (-span,) * width, (0.0,) * width, (span,) * width
        return FieldStatistics(9, zero, (span / 2,) * width, low, high, low, low, zero, high, high)

    return Statistics(field(robot.state_dim), field(robot.action_dim))


def observation(robot: Embodiment, seed: int = 0) -> Observation:
    rng = np.random.default_rng(seed)
    images = {name: rng.integers(0, 256, (64, 64, 3), dtype=np.uint8) for name in robot.cameras}
    return Observation(images, rng.normal(size=robot.state_dim).astype(np.float32), "go on", robot.name)


@pytest.fixture(scope="module")
def both(tokenizer: Tokenizer) -> Run:
    recipe = for_robot(for_robot(replace(TINY, layout=replace(TINY.layout, length=128)), ARM), LEG)
    robots = tuple(Robot(robot, statistics(robot), (f"{robot.name}s",)) for robot in (ARM, LEG))
    return of_robots(Path("nowhere"), recipe, tokenizer, robots, DataRecord((), ("arms", "legs")))


@pytest.fixture(scope="module")
def params(both: Run) -> polymath_v.Params:
    drawn = jax.jit(lambda key: weights.init(polymath_v.specs(both.recipe.model), key))(jax.random.key(0))
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda w: w + 0.05 * rng.normal(size=w.shape).astype(np.float32), drawn)


@pytest.fixture(scope="module")
def policy(both: Run, params: polymath_v.Params) -> SeveralRobots:
    return SeveralRobots(both, params, "both")


def test_each_robot_is_driven_as_by_a_policy_of_its_own(
    policy: SeveralRobots, both: Run, params: polymath_v.Params
) -> None:
    """The expected chunks are those of a run of that robot alone, with the same weights."""
    seen = [observation(LEG), observation(ARM), observation(LEG, 1)]
    chunks = policy.act(seen)
    assert [chunk.actions.shape[1] for chunk in chunks] == [7, 3, 7]
    turns = [Turn(policy.open(embodiment=each.embodiment), each) for each in seen]
    answers = policy.answer(turns)
    for robot, places in ((ARM, (1,)), (LEG, (0, 2))):
        alone = Run(both.path, both.recipe, both.tokenizer, robot, statistics(robot), DataRecord((), ()))
        single = Policy(alone, params, "one")
        for place in places:
            np.testing.assert_allclose(chunks[place].actions, single.act([seen[place]])[0].actions, rtol=1e-4)
            np.testing.assert_array_equal(
                answers[place].actions, single.open().act(seen[place]).actions, "the same bits in a pass of one row"
            )


def test_the_other_robots_statistics_would_give_other_actions(policy: SeveralRobots, both: Run) -> None:
    """A normalised action of 1 is the end of each robot's own range."""
    ones = np.ones((2, 7), np.float32)
    for robot in (ARM, LEG):
        actions = policy.of(robot.name).transform.chunk(ones, np.zeros(robot.state_dim)).actions
        np.testing.assert_allclose(actions[:, 0], SPAN[robot.name])
    assert Contract.of(both.of("arm")).statistics != Contract.of(both.of("leg")).statistics


def test_a_robot_that_is_not_named_or_not_there_is_refused_by_name(
    policy: SeveralRobots, both: Run, params: polymath_v.Params
) -> None:
    with pytest.raises(ConfigError, match=r"policy both: drives several robots, arm, leg; choose one of them: emb"):
        policy.open()
    with pytest.raises(ConfigError, match=r"policy both: there is no robot 'legs', only arm, leg; did you mean leg"):
        policy.open(embodiment="legs")
    with pytest.raises(ConfigError, match=r"policy both: there is no robot 'leg', only arm"):
        policy.of("arm").open(embodiment="leg")
    with pytest.raises(DataError, match=r"observation\.embodiment: 'tail', but this policy drives arm and leg"):
        policy.act([replace(observation(ARM), embodiment="tail")])
    with pytest.raises(DataError, match=r"observation\.embodiment: 'leg', but this policy drives 'arm'"):
        policy.open(embodiment="arm").act(observation(LEG))
    for user in (lambda: Policy(both, params, "one"), lambda: Contract.of(both)):
        with pytest.raises(ConfigError, match="drives several robots, arm, leg"):
            user()


def test_a_refused_turn_leaves_the_sessions_of_every_robot_as_they_were(policy: SeveralRobots) -> None:
    arm, leg = policy.open(embodiment="arm"), policy.open(embodiment="leg")
    bad = replace(observation(LEG), state=np.zeros(3, np.float32))
    with pytest.raises(DataError, match="state"):
        policy.answer([Turn(arm, observation(ARM)), Turn(leg, bad)])
    assert (arm.turns, leg.turns) == (0, 0)
    with pytest.raises(DataError, match=r"turns\[0\]\.session: was opened by another policy"):
        policy.in_batches_of(2).answer([Turn(arm, observation(ARM))])
