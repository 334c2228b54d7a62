"""Initial states of chains. Expected values are from pyhash 0.9.3 and from the official function that it feeds."""

import numpy as np
import pytest
from calvin_worker.chains import load
from calvin_worker.initial import BLOCKS, LAYOUTS, Symbolic, fnv1_32, robot_obs, scene_obs

from polymath.benchmarks.calvin.chains import official, sentences
from polymath.benchmarks.calvin.rules import initial_states

FIRST = Symbolic(0, 0, "right", "closed", "table", "table", "slider_right")
MIDDLE = Symbolic(1, 0, "right", "closed", "table", "slider_left", "table")
LAST = Symbolic(1, 1, "left", "open", "slider_left", "slider_right", "table")


@pytest.mark.parametrize(
    ("text", "value"), [("", 0), ("a", 1627429043), ("CALVIN", 2277576461), ("é", 3909185227), ("abc", 2203671488)]
)
def test_hash_is_that_of_pyhash(text: str, value: int) -> None:
    """`pyhash.fnv1_32()(text)` of pyhash 0.9.3, Python 3.10."""
    assert fnv1_32(text) == value


@pytest.mark.parametrize(("state", "seed"), [(FIRST, 432992106), (MIDDLE, 3717197060), (LAST, 210305892)])
def test_seeds_are_the_official_ones(state: Symbolic, seed: int) -> None:
    """`pyhash.fnv1_32()(str(initial_condition.values()))`, the first, 101st and last of the 192 states."""
    assert state.seed() == seed


def test_furniture_and_blocks_stand_as_the_official_function_puts_them() -> None:
    """`get_env_state_for_initial_condition` of chain 0 of the official evaluation, its hash by pyhash."""
    state, subtasks = load().chains[0]
    assert state == Symbolic(1, 1, "left", "open", "slider_left", "table", "slider_right")
    assert subtasks == official()[0].subtasks
    np.testing.assert_array_equal(scene_obs(state), CHAIN_0)
    assert robot_obs().shape == (15,)
    assert robot_obs()[-1] == 1.0


CHAIN_0 = np.array(
    [
        *(0.28, 0.22, 0.0, 0.088, 1.0, 1.0),
        *(-0.240851662, 0.0924044687, 0.460990009, 0.0, 0.0, 1.8859410064104645),
        *(0.229995412, -0.11999514, 0.45999001, 0.0, 0.0, 1.488143437705632),
        *(0.070341633, 0.0924044687, 0.460990009, 0.0, 0.0, 1.4683986863194542),
    ]
)


def test_each_block_stands_where_the_state_has_it_in_every_scene() -> None:
    """Scene A's file lists pink, blue, red: the order of the numbers changes, not the places."""
    state = Symbolic(0, 1, "right", "open", "slider_left", "table", "table")
    for scene, layout in LAYOUTS.items():
        orders = {"A": ("block_pink", "block_blue", "block_red"), "C": ("block_blue", "block_red", "block_pink")}
        order = orders.get(scene, BLOCKS)
        poses = dict(zip(order, scene_obs(state, order, scene)[6:].reshape(3, 6), strict=True))
        assert poses["block_red"][0] == pytest.approx(-0.2408 + layout.shelf, abs=1e-4)
        assert poses["block_red"][1] == pytest.approx(0.0924, abs=1e-4)
        on_table = sorted([poses["block_blue"][0], poses["block_pink"][0]])
        assert on_table == pytest.approx([0.05 + layout.table, 0.23 + layout.table], abs=1e-4)


def test_a_state_does_not_depend_on_numpys_global_state() -> None:
    np.random.seed(1)
    before = scene_obs(MIDDLE)
    np.random.seed(2)
    np.testing.assert_array_equal(before, scene_obs(MIDDLE))


def test_the_worker_reads_the_chains_that_the_benchmark_has() -> None:
    chains = load()
    states = [Symbolic(*(value for name, value in state.items() if name != "grasped")) for state in initial_states()]
    assert chains.sentences == sentences()
    assert chains.chains == [(states[chain.state], chain.subtasks) for chain in official()]
