"""Deltas of absolute actions: openpi's formula, its inverse, statistics over chunks, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from polymath.data.formats.memory import MemoryEpisodes
from polymath.data.robots import relative
from polymath.data.robots.clipping import statistics_lines
from polymath.data.robots.embodiments import ALOHA, DROID, LIBERO, WIDOWX, arm
from polymath.data.robots.relative import ActionForm, check_absolute_names, chunk_differences, subtracted_entries
from polymath.data.robots.statistics import Statistics, of_episodes, of_sets
from polymath.errors import ConfigError, DataError
from polymath.types import Embodiment, Episode

DELTA = ActionForm("delta", chunk_length=4)
# As lerobot names an SO-101: conventions are not written down.
SO101 = Embodiment("so101", 0, ("front",), ("a.pos", "b.pos", "gripper.pos"), ("a.pos", "b.pos", "gripper.pos"), (), 30)
POSE = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")
UNITS = (*["m"] * 3, *["rad"] * 3, "1")
ABSOLUTE_POSE = arm("poser", 3, {"front": "primary"}, POSE, UNITS, 10.0, motion="pose")


def episode(states: np.ndarray, actions: np.ndarray, robot: Embodiment) -> Episode:
    pictures = {name: np.zeros((len(states), 8, 8, 3), np.uint8) for name in robot.cameras}
    return Episode(pictures, states.astype(np.float32), actions.astype(np.float32), "go", "go", robot.name)


def recorded(robot: Embodiment, episodes: list[tuple[np.ndarray, np.ndarray]], name: str = "set") -> MemoryEpisodes:
    return MemoryEpisodes(robot, [episode(*each, robot) for each in episodes], name)


def following(robot: Embodiment, steps: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """States that swing, and as actions the states of two steps later."""
    phase = np.random.default_rng(seed).uniform(0, 6, robot.state_dim)
    path = np.sin(np.arange(steps + 2)[:, None] / 8 + phase)
    return path[:steps], path[2 : steps + 2, : robot.action_dim]


def openpi_deltas(actions: np.ndarray, state: np.ndarray, mask: list[bool]) -> np.ndarray:
    """openpi, src/openpi/transforms.py, DeltaActions: actions[..., :dims] -= where(mask, state[..., :dims], 0)."""
    actions, dims = actions.copy(), len(mask)
    actions[..., :dims] -= np.expand_dims(np.where(mask, state[..., :dims], 0), axis=-2)
    return actions


@pytest.mark.parametrize(("robot", "mask"), [(SO101, [True, True, False]), (ALOHA, ([True] * 6 + [False]) * 2)])
def test_deltas_are_those_of_openpi(robot: Embodiment, mask: list[bool]) -> None:
    """openpi's mask for ALOHA is make_bool_mask(6, -1, 6, -1): the grippers stay."""
    states, actions = following(robot)
    entries = subtracted_entries(robot, DELTA, "set")
    blocks = list(chunk_differences(states, actions, entries, 4))
    for step in range(36):
        expected = openpi_deltas(actions[step : step + 4], states[step], mask)
        np.testing.assert_array_equal([block[step] for block in blocks], expected)
        np.testing.assert_array_equal(actions[step : step + 4] - relative.origin(states[step], entries), expected)


def test_what_is_told_of_them() -> None:
    line = "actions a.pos, b.pos: deltas from the state (action_representation); gripper.pos as recorded"
    statistics = of_episodes(recorded(SO101, [following(SO101)]), form=DELTA)
    assert statistics_lines(statistics, SO101)[0] == line


def test_the_gripper_of_droid_stays_though_its_state_has_another_name() -> None:
    assert subtracted_entries(DROID, DELTA, "set") == (0, 1, 2, 3, 4, 5, 6, None)


def test_entries_are_found_by_name_not_by_place() -> None:
    robot = replace(SO101, state_names=("speed", "gripper.pos", "b.pos", "a.pos"))
    assert subtracted_entries(robot, DELTA, "set") == (3, 2, None)


def test_statistics_are_counted_over_every_action_of_every_chunk() -> None:
    """Expected by a loop over steps and places; an episode's end leaves shorter chunks."""
    pairs = [following(SO101, 12, 1), following(SO101, 3, 2)]
    rows = []
    for states, actions in pairs:
        states, actions = (each.astype(np.float32).astype(np.float64) for each in (states, actions))
        for step in range(len(states)):
            for place in range(step, min(step + 4, len(states))):
                rows.append(actions[place] - states[step] * [1, 1, 0])
    statistics = of_episodes(recorded(SO101, pairs), "min-max", DELTA)
    assert statistics.action.count == len(rows) == 12 * 4 - 6 + 3 * 4 - 6
    np.testing.assert_allclose(statistics.action.mean, np.mean(rows, 0), atol=1e-12)
    np.testing.assert_allclose(statistics.action.std, np.std(rows, 0), atol=1e-12)
    np.testing.assert_array_equal(statistics.action.min, np.min(rows, 0))
    assert statistics.subtracted == (0, 1, None)
    plain = of_episodes(recorded(SO101, pairs), "min-max")
    assert plain.subtracted == ()
    assert statistics.state == plain.state
    assert of_episodes(recorded(SO101, pairs), "min-max", ActionForm("absolute", chunk_length=4)) == plain


numbers = st.floats(-1e3, 1e3, width=32)


@given(
    arrays.arrays(np.float32, 3, elements=numbers),
    arrays.arrays(np.float32, (4, 3), elements=numbers),
    st.lists(st.sampled_from([None, 0, 1, 2]), min_size=3, max_size=3),
)
def test_adding_the_same_state_gives_the_actions_back(
    state: np.ndarray, actions: np.ndarray, entries: list[int | None]
) -> None:
    """In float64 the difference of two float32 numbers of this range is exact to 1e-10, so float32 comes back."""
    origin = relative.origin(state, tuple(entries))
    back = ((actions - origin) + origin).astype(np.float32)
    np.testing.assert_allclose(back, actions, rtol=1e-6, atol=1e-6)
    stay = [entry is None for entry in entries]
    np.testing.assert_array_equal((actions - origin)[:, stay], actions[:, stay])


@pytest.mark.parametrize("robot", [WIDOWX, LIBERO])
def test_double_deltas_are_refused(robot: Embodiment) -> None:
    with pytest.raises(DataError, match=r"set: .*deltas already \(conventions.motion is 'pose delta'\).*double delta"):
        subtracted_entries(robot, DELTA, "set")
    with pytest.raises(DataError, match=r"action_representation=absolute asks for absolute ones.*leave it at recorded"):
        subtracted_entries(robot, ActionForm("absolute"), "set")
    assert subtracted_entries(robot, ActionForm("recorded", chunk_length=4), "set") == ()


def test_deltas_without_conventions_are_told_by_their_numbers() -> None:
    """Small differences as actions under the names of the state, as some public sets have them."""
    states, actions = following(SO101, 200)
    moves = np.diff(actions, axis=0, prepend=actions[:1])
    with pytest.raises(
        DataError, match=r"^deltas: the actions 'a.pos', 'b.pos' .*look like deltas already.*double delta"
    ):
        of_sets([recorded(SO101, [(states, moves)], "deltas")], form=DELTA)
    of_sets([recorded(SO101, [(states, actions)])], form=DELTA)
    states[:, 0] = np.random.default_rng(1).normal(0, 1e-3, 200)  # a joint at rest, of which noise alone is measured
    actions[:, 0] = 1.0
    of_sets([recorded(SO101, [(states, actions)])], form=DELTA)
    kept = ActionForm("delta", ("a.pos", "b.pos"), 4)
    assert of_sets([recorded(SO101, [(states, moves)])], form=kept).subtracted == (None, None, None)


def test_dimensions_without_an_entry_of_the_state_are_named() -> None:
    robot = replace(SO101, state_names=("a.pos", "elbow", "hand"))
    with pytest.raises(
        DataError, match=r"action 'b.pos' of robot 'so101' has none among a.pos, elbow, hand; .*absolute"
    ):
        subtracted_entries(robot, DELTA, "set")
    assert subtracted_entries(robot, ActionForm("delta", ("b.pos",)), "set") == (0, None, None)


def test_units_that_differ_are_named() -> None:
    assert ALOHA.conventions is not None
    units = ("deg", *ALOHA.conventions.state_units[1:])
    robot = replace(ALOHA, conventions=replace(ALOHA.conventions, state_units=units))
    with pytest.raises(DataError, match=r"action 'left joint 0' of robot 'aloha' is in 'rad', but the state in 'deg'"):
        subtracted_entries(robot, DELTA, "set")


def test_rotations_of_which_a_difference_is_none_are_refused() -> None:
    named = replace(SO101, action_names=("x", "qx", "grip"), state_names=("x", "qx", "grip"))
    with pytest.raises(DataError, match=r"action 'qx' of robot 'so101' are a rotation \(quaternion or rotation 6d\)"):
        subtracted_entries(named, DELTA, "set")
    assert subtracted_entries(named, ActionForm("delta", ("qx",)), "set") == (0, None, None)
    assert ABSOLUTE_POSE.conventions is not None
    columns = tuple(f"r{i}" for i in range(6))
    names, units = ("x", "y", "z", *columns, "gripper"), (*["m"] * 3, *["1"] * 7)
    six = replace(
        ABSOLUTE_POSE,
        action_names=names,
        state_names=names,
        gripper_dims=(9,),
        conventions=replace(ABSOLUTE_POSE.conventions, rotation="rotation 6d", action_units=units, state_units=units),
    )
    with pytest.raises(DataError, match=r"actions 'r0', 'r1', .* are a rotation \(rotation 6d\)"):
        subtracted_entries(six, DELTA, "set")
    tool = replace(ABSOLUTE_POSE, conventions=replace(ABSOLUTE_POSE.conventions, frame="tool"))
    with pytest.raises(DataError, match=r"poses in the frame of the tool"):
        subtracted_entries(tool, DELTA, "set")


@pytest.mark.parametrize("says", [True, False])
def test_angles_that_wrap_around_are_refused(says: bool) -> None:
    """A yaw that turns on beyond pi: in [-pi, pi) it jumps, unwrapped it does not."""
    robot = ABSOLUTE_POSE if says else replace(ABSOLUTE_POSE, conventions=None)
    states, actions = following(robot, 60)
    states[:, 5], actions[:, 5] = np.linspace(2.5, 3.7, 60), np.linspace(2.55, 3.75, 60)
    wrapped = [((each + np.pi) % (2 * np.pi)) - np.pi if i == 5 else each for i, each in enumerate(states.T)]
    wrapped_actions = [((each + np.pi) % (2 * np.pi)) - np.pi if i == 5 else each for i, each in enumerate(actions.T)]
    assert of_episodes(recorded(robot, [(states, actions)]), form=DELTA).subtracted == (0, 1, 2, 3, 4, 5, None)
    with pytest.raises(DataError, match=r"^set: action 'yaw' in set: episode 0 jumps by most of a turn"):
        of_episodes(recorded(robot, [(np.stack(wrapped, 1), np.stack(wrapped_actions, 1))]), form=DELTA)


def test_settings_that_contradict_each_other() -> None:
    with pytest.raises(ConfigError, match=r"absolute_actions: a can stay absolute only among deltas"):
        ActionForm("recorded", ("a",))
    with pytest.raises(ConfigError, match=r"absolute_actions: there is no action 'a'; choose from a.pos, b.pos, grip"):
        check_absolute_names(ActionForm("delta", ("a",)), [SO101])


def test_statistics_of_another_robots_entries_are_refused() -> None:
    statistics = of_episodes(recorded(SO101, [following(SO101)]), form=DELTA)
    for wrong in ((0, 1), (0, 1, 9)):
        bad: Statistics = replace(statistics, subtracted=wrong)
        with pytest.raises(DataError, match=r"statistics.subtracted: .*an entry of its state, 0 to 2, or null"):
            bad.check(SO101)
