"""The scripted experts without a simulator: an arm that follows its target with a lag, blocks that lie still."""

from dataclasses import replace

import numpy as np
import pytest
from calvin_worker import blocks, motion, starts, tasks
from calvin_worker.experts import SCRIPTS, Expert
from calvin_worker.initial import LAYOUTS
from calvin_worker.scene_state import Block, Places, State, rotation_matrix
from hypothesis import given
from hypothesis import strategies as st

from polymath.benchmarks.calvin.rules import SUBTASKS

# Origins of scene D's links, from data/calvin_table_D/urdf of calvin_env scaled by 0.8.
PLACES = Places(
    button=np.array([-0.12, -0.12, 0.46]),
    switch=np.array([0.3, 0.061, 0.495]),
    slider=np.array([-0.1, 0.075, 0.535]),
    drawer=np.array([0.18, 0.0, 0.32]),
    plank=np.array([-0.1, 0.09, 0.42]),
)
EDGES = {"red": (0.056, 0.04, 0.04), "blue": (0.04, 0.04, 0.04), "pink": (0.08, 0.04, 0.04)}
SURFACES = {  # conf/scene/calvin_scene_D.yaml of calvin_env
    "table": [[0.0, -0.15, 0.46], [0.35, -0.03, 0.46]],
    "slider_left": [[-0.32, 0.05, 0.46], [-0.16, 0.12, 0.46]],
    "slider_right": [[-0.05, 0.05, 0.46], [0.13, 0.12, 0.46]],
}


def block(colour: str, x: float, y: float, link: str, yaw: float = 1.5, z: float = 0.46) -> Block:
    quaternion = np.array([0.0, 0.0, np.sin(yaw / 2), np.cos(yaw / 2)])
    return Block(np.array([x, y, z]), quaternion, np.array(EDGES[colour]), frozenset([link]))


def state(**changes: object) -> State:
    """The arm at the beginning of a chain, red and pink on the table, blue in the cabinet on the left."""
    start = State(
        tcp=np.array([0.026, -0.231, 0.571]),
        euler=np.array([3.09, -0.03, 1.5]),
        target=np.array([0.026, -0.231, 0.571]),
        target_euler=np.array([3.09, -0.03, 1.5]),
        opening=0.08,
        gripper=1.0,
        touched=frozenset(),
        slider=0.0,
        drawer=0.22,
        switch=0.0,
        lightbulb=False,
        led=True,
        places=PLACES,
        blocks={
            "red": block("red", 0.05, -0.12, "base_link"),
            "blue": block("blue", -0.24, 0.092, "plank_link"),
            "pink": block("pink", 0.23, -0.12, "base_link", 1.2),
        },
    )
    return replace(start, **changes)  # type: ignore[arg-type]


def carried_out(before: State, action: np.ndarray) -> State:
    """What the environment does with an action, the arm going a third of the way to its target; nothing collides."""
    target, turned = before.target + 0.02 * action[:3], before.target_euler + 0.05 * action[3:6]
    tcp = before.tcp + (target - before.tcp) / 3
    return replace(
        before,
        target=target,
        target_euler=turned,
        tcp=tcp,
        euler=motion.wrapped(before.euler + (turned - before.euler) / 3),
        gripper=float(action[6]),
        opening=before.opening + (0.08 * (action[6] > 0) - before.opening) / 2,
    )


HELD = {"red": block("red", 0.026, -0.231, "robot", z=0.56)}


def possible_start(task: str) -> State:
    colour, last = tasks.block_of(task)
    on = {"table": "base_link", "slider": "plank_link", "drawer": "drawer_link"}
    changes: dict[str, object] = {}
    scene = state()
    if task in ("place_in_slider", "place_in_drawer", "stack_block"):
        changes = {"gripper": -1.0, "opening": 0.04, "touched": frozenset(["red"]), "blocks": {**scene.blocks, **HELD}}
    elif task == "unstack_block":
        top = replace(block("red", 0.23, -0.12, "pink", z=0.5))
        changes = {"blocks": {**scene.blocks, "red": top}}
    elif task.startswith("lift"):
        x, y, z = {"table": (0.1, -0.1, 0.46), "slider": (-0.24, 0.092, 0.461), "drawer": (0.2, -0.3, 0.36)}[last]
        others = {"blue": block("blue", 0.07, 0.09, "plank_link")} if last == "slider" else {}
        changes = {"blocks": {**scene.blocks, **others, colour: block(colour, x, y, on[last], z=z)}}
    elif colour:
        changes = {"blocks": {**scene.blocks, colour: block(colour, 0.14, -0.1, "base_link")}}
    elif task in ("move_slider_right", "open_drawer", "turn_off_lightbulb", "turn_on_led"):
        changes = {"slider": 0.28, "drawer": 0.0, "lightbulb": True, "switch": 0.088, "led": False}
    return state(**changes)


def test_every_subtask_has_an_expert() -> None:
    assert set(SCRIPTS) == set(SUBTASKS)


@pytest.mark.parametrize("task", sorted(SUBTASKS))
def test_actions_are_the_official_relative_ones(task: str) -> None:
    """Six numbers in [-1, 1], the gripper exactly 1 or -1, as `PlayTableSimEnv` asserts; the scripts never end."""
    now = possible_start(task)
    assert tasks.possible(now, task)
    expert = Expert(task)
    for _ in range(250):
        action = expert.action(now)
        assert action.shape == (7,)
        assert np.abs(action[:6]).max() <= 1.0 + 1e-9
        assert action[6] in (-1.0, 1.0)
        now = carried_out(now, action)
        assert np.linalg.norm(now.target - now.tcp) < 2 * motion.LEASH  # the target never winds up


@given(st.tuples(st.floats(-0.3, 0.3), st.floats(-0.3, 0.0), st.floats(0.45, 0.6)), st.floats(0.2, 2.8))
def test_go_arrives(goal: tuple[float, float, float], yaw: float) -> None:
    now = state()
    movement = motion.go(now, np.array(goal), motion.OPEN, yaw, limit=200)
    with pytest.raises(StopIteration) as ended:
        action = next(movement)
        while True:
            now = carried_out(now, action)
            action = movement.send(now)
    np.testing.assert_allclose(ended.value.value.tcp, goal, atol=0.01)
    assert abs(motion.wrapped(ended.value.value.euler[2] - yaw)) < 0.07


def test_a_blocked_arm_gives_up() -> None:
    """The tool stays where it is: the movement ends and the target is at most a leash away."""
    now, steps = state(), 0
    movement = motion.go(now, np.array([0.3, 0.0, 0.4]), motion.CLOSED)
    action = next(movement)
    with pytest.raises(StopIteration):
        while steps < 100:
            now = replace(carried_out(now, action), tcp=now.tcp, euler=now.euler)
            action, steps = movement.send(now), steps + 1
    assert steps <= 4 * motion.PATIENCE
    assert np.abs(now.target - now.tcp).max() <= motion.LEASH + 1e-9


@given(st.floats(-20, 20), st.floats(-4, 4))
def test_the_nearest_turn_is_the_same_angle_within_half_a_turn(angle: float, to: float) -> None:
    turned = motion.nearest_turn(angle, 2 * np.pi, to)
    assert abs(turned - to) <= np.pi + 1e-9
    assert np.cos(turned - angle) == pytest.approx(1.0)


@given(st.floats(-np.pi, np.pi))
def test_a_long_block_is_grasped_across_its_shorter_edge(yaw: float) -> None:
    now = state(blocks={**state().blocks, "pink": block("pink", 0.2, -0.1, "base_link", yaw)})
    tool = blocks.grasp_yaw(now, "pink", motion.YAW)
    assert abs(np.sin(tool - yaw)) < 1e-6  # the fingers' line is at a right angle to the tool's yaw
    assert abs(tool - motion.YAW) <= np.pi / 2 + 1e-9


def test_a_block_on_its_end_has_the_footprint_of_that_face() -> None:
    """Turned by 90 degrees about y, the 0.08 m edge stands up."""
    quaternion = np.array([0.0, np.sin(np.pi / 4), 0.0, np.cos(np.pi / 4)])
    standing = replace(block("pink", 0, 0, "base_link"), quaternion=quaternion)
    assert standing.footprint()[1:] == pytest.approx((0.04, 0.04, 0.08))
    np.testing.assert_allclose(rotation_matrix(quaternion) @ [1, 0, 0], [0, 0, -1], atol=1e-9)


def test_the_hand_fits_beside_the_door() -> None:
    """The cabinet is open from -0.36 to 0.16 in scene D; the door covers 0.28 m of it (measured with rays)."""
    left, right = blocks.hand_range(state(slider=0.0), -0.24), blocks.hand_range(state(slider=0.28), 0.07)
    assert left == pytest.approx((-0.36 + blocks.HAND, -0.1 - blocks.HAND))
    assert right == pytest.approx((-0.1 + blocks.HAND, 0.16 - blocks.HAND))


def test_what_cannot_be_done_is_not_possible() -> None:
    now = state()
    assert not tasks.possible(now, "place_in_slider")  # nothing in the hand
    assert not tasks.possible(now, "open_drawer")
    assert not tasks.possible(now, "lift_blue_block_table")
    assert not tasks.possible(state(slider=0.28), "lift_blue_block_slider")  # the door stands before it
    assert not tasks.possible(state(drawer=0.0), "push_into_drawer")
    holding = possible_start("stack_block")
    assert not any(tasks.possible(holding, task) for task in SUBTASKS if not task.startswith(("place", "stack")))


def test_what_comes_before() -> None:
    random = np.random.default_rng(0)
    assert tasks.before(state(slider=0.28), "lift_blue_block_slider", random) == "move_slider_right"
    assert tasks.before(state(drawer=0.0), "push_into_drawer", random) == "open_drawer"
    assert tasks.before(state(), "turn_on_led", random) == "turn_off_led"
    assert str(tasks.before(state(), "stack_block", random)).startswith("lift_")
    assert tasks.before(possible_start("stack_block"), "unstack_block", random) == "stack_block"
    assert tasks.before(possible_start("stack_block"), "lift_red_block_drawer", random) == "place_in_drawer"


@pytest.mark.parametrize("task", ["lift_red_block_slider", "push_pink_block_left", "unstack_block", "open_drawer"])
def test_drawn_scenes_are_apart_from_each_other_and_from_the_evaluation(task: str) -> None:
    order = ("block_red", "block_blue", "block_pink")
    scenes = [starts.draw_scene(task, SURFACES, order, "D", np.random.default_rng(seed)) for seed in range(50)]
    assert len({scene.tobytes() for scene in scenes}) == 50
    again = starts.draw_scene(task, SURFACES, order, "D", np.random.default_rng(0))
    np.testing.assert_array_equal(again, scenes[0])
    for scene in scenes:
        positions = scene[6:].reshape(3, 6)[:, :2]
        gaps = [np.linalg.norm(a - b) for i, a in enumerate(positions) for b in positions[:i]]
        assert min(gaps) > starts.CLEARANCE
        assert scene[0] in (0.0, LAYOUTS["D"].slider)
        colour, last = tasks.block_of(task)
        if colour:
            on_table = positions[order.index(f"block_{colour}")][1] < 0
            assert on_table == (last != "slider")
