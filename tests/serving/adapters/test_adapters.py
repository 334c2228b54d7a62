"""The built-in adapters: the keys of the real clients, their robots, and every message that is not one of theirs."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.serving.adapters.contracts import SO101, SO_JOINTS, contract_of

from polymath import plugins
from polymath.benchmarks.metaworld.robot import EMBODIMENT as SAWYER
from polymath.data.robots.embodiments import ALOHA, CALVIN, DROID, LIBERO, WIDOWX
from polymath.errors import ConfigError, DataError
from polymath.serving.adapters import Adapter, adapter_named, adapter_names, bind, load
from polymath.types import Embodiment

RNG = np.random.default_rng(0)
SQUARE = RNG.integers(0, 256, (224, 224, 3), np.uint8)


def padded(ratio: float) -> np.ndarray:
    """A view between black bars, as openpi's `image_tools.resize_with_pad(image, 224, 224)` leaves it."""
    image, rows = SQUARE.copy(), int(224 / ratio)
    top = (224 - rows) // 2
    image[:top], image[top + rows :] = 0, 0
    return image


# The messages of the clients: openpi's examples/{libero,droid,aloha_real}/main.py and env.py, LeRobot's robots,
# CALVIN's environment; the widths are those that they send.
MESSAGES: dict[str, tuple[Embodiment, dict[str, Any]]] = {
    "libero": (
        LIBERO,
        {
            "observation/image": SQUARE,
            "observation/wrist_image": SQUARE[::-1],
            "observation/state": np.arange(8.0),
            "prompt": "pick up the bowl",
        },
    ),
    "droid": (
        DROID,
        {
            "observation/exterior_image_1_left": padded(16 / 9),
            "observation/wrist_image_left": padded(16 / 9),
            "observation/joint_position": np.arange(7.0),
            "observation/gripper_position": np.array([0.25]),
            "prompt": "put the cup away",
        },
    ),
    "aloha": (
        ALOHA,
        {
            "state": np.arange(14.0),
            "images": {name: np.moveaxis(padded(4 / 3), -1, 0) for name in ALOHA.cameras},
            "prompt": "uncap the pen",
        },
    ),
    "so101": (
        SO101,
        {
            "observation.state": np.arange(6, dtype=np.float32),
            "observation.images.front": SQUARE,
            "observation.images.wrist": SQUARE,
            "task": "pick the cube",
        },
    ),
    "bridge": (
        WIDOWX,
        {
            "observation/image": SQUARE,
            "observation/image_1": SQUARE,
            "observation/state": np.arange(7.0),
            "prompt": "move the pot",
        },
    ),
    "calvin": (
        CALVIN,
        {
            "rgb_obs": {"rgb_static": SQUARE, "rgb_gripper": SQUARE},
            "robot_obs": np.arange(15.0),
            "prompt": "open the drawer",
        },
    ),
    "metaworld": (
        SAWYER,
        {"observation/image": SQUARE, "observation/state": np.arange(4.0), "prompt": "press the button"},
    ),
    "polymath": (
        LIBERO,
        {
            "images": {"agentview_rgb": SQUARE, "eye_in_hand_rgb": SQUARE},
            "state": np.arange(8.0),
            "prompt": "pick up the bowl",
            "polymath/reset": True,
        },
    ),
}
MESSAGES |= {
    "droid-joints": MESSAGES["droid"],
    "simpler": MESSAGES["bridge"],
    "so100": MESSAGES["so101"],
}


@pytest.mark.parametrize("name", adapter_names())
def test_a_clients_message_is_an_observation_of_its_robot(name: str) -> None:
    robot, message = MESSAGES[name]
    bound = bind(adapter_named(name), contract_of(robot))
    observation = bound.observation(message)
    assert tuple(observation.images) == robot.cameras
    assert all(image.dtype == np.uint8 and image.shape[2] == 3 for image in observation.images.values())
    assert observation.state.shape == (robot.state_dim,)
    assert observation.state.dtype == np.float32
    assert observation.instruction
    assert observation.embodiment == robot.name
    actions = bound.actions(RNG.uniform(-0.01, 0.01, (5, robot.action_dim)).astype(np.float32), observation)
    assert actions.dtype == np.float32
    assert actions.shape == (5, len(bound.contract.action.names))


@pytest.mark.parametrize("name", adapter_names())
def test_what_was_executed_comes_back_as_the_checkpoints_own_actions(name: str) -> None:
    robot, message = MESSAGES[name]
    bound = bind(adapter_named(name), contract_of(robot))
    observation = bound.observation(message)
    chunk = RNG.uniform(-0.01, 0.01, (5, robot.action_dim)).astype(np.float32)
    np.testing.assert_allclose(bound.own_actions(bound.actions(chunk, observation), observation), chunk, atol=2e-6)


def test_numbers_that_need_no_conversion_pass_unchanged() -> None:
    robot, message = MESSAGES["libero"]
    bound = bind(adapter_named("libero"), contract_of(robot))
    observation = bound.observation(message)
    chunk = np.ones((2, 7), np.float32)
    np.testing.assert_array_equal(bound.actions(chunk, observation), chunk)


def test_droids_joint_velocities_lead_to_the_joints_that_the_checkpoint_means() -> None:
    """droid/robot_ik/robot_ik_solver.py: a velocity of 1 moves a joint by 0.2 rad in one control step."""
    robot, message = MESSAGES["droid"]
    bound = bind(adapter_named("droid"), contract_of(robot))
    observation = bound.observation(message)
    joints = np.arange(7.0) + np.linspace(0.05, 0.2, 4)[:, None]
    chunk = np.concatenate([joints, np.array([[1.0], [1.0], [-1.0], [-1.0]])], axis=1)  # open, open, closed, closed
    velocities = bound.actions(chunk, observation)
    reached = np.arange(7.0) + np.cumsum(0.2 * velocities[:, :7], axis=0)
    np.testing.assert_allclose(reached, joints, atol=1e-6)
    np.testing.assert_array_equal(velocities[:, 7], [0, 0, 1, 1])  # openpi's client: above 0.5 closes
    assert bound.contract.action.motion == "joint delta"
    assert bound.contract.action.units == ("0.2 rad",) * 7 + ("1",)


def test_simpler_executes_rotation_vectors() -> None:
    """simpler_env/policies/octo/octo_model.py turns roll, pitch, yaw into axis times angle; here yaw alone."""
    robot, message = MESSAGES["simpler"]
    bound = bind(adapter_named("simpler"), contract_of(robot))
    actions = bound.actions(np.array([[0.01, 0, 0, 0, 0, 0.3, 1]]), bound.observation(message))
    np.testing.assert_allclose(actions, [[0.01, 0, 0, 0, 0, 0.3, 1]], atol=1e-7)
    assert bound.contract.action.names == ("dx", "dy", "dz", "drx", "dry", "drz", "gripper")


def test_the_bars_of_a_padded_picture_are_cut_off() -> None:
    robot, message = MESSAGES["droid"]
    observation = bind(adapter_named("droid"), contract_of(robot)).observation(message)
    assert observation.images["wrist_image_left"].shape == (126, 224, 3)
    camera = RNG.integers(0, 256, (180, 320, 3), np.uint8)  # the camera's own picture needs no cutting
    sent = message | {"observation/wrist_image_left": camera}
    observation = bind(adapter_named("droid"), contract_of(robot)).observation(sent)
    np.testing.assert_array_equal(observation.images["wrist_image_left"], camera)


def test_what_lerobot_does_not_say_is_passed_on_and_named() -> None:
    bound = bind(adapter_named("so101"), contract_of(SO101))
    assert "state.units" in bound.unverified
    assert bound.conversions == ()


def test_a_checkpoint_that_says_radians_gets_a_so101s_degrees_converted() -> None:
    units = ("rad",) * 5 + ("1",)
    said = replace(
        SO101,
        conventions=replace(
            DROID.conventions,  # type: ignore[type-var]
            state_units=units,
            action_units=units,
            gripper="0 closed 1 open",
        ),
    )
    bound = bind(adapter_named("so101"), contract_of(said))
    assert bound.unverified == ()
    sent = MESSAGES["so101"][1] | {"observation.state": np.array([180.0, -90, 0, 45, 0, 50])}
    np.testing.assert_allclose(bound.observation(sent).state, [np.pi, -np.pi / 2, 0, np.pi / 4, 0, 0.5], rtol=1e-6)
    actions = bound.actions(np.array([[np.pi / 2, 0, 0, 0, 0, 1.0]]), bound.observation(sent))
    np.testing.assert_allclose(actions, [[90, 0, 0, 0, 0, 100]], rtol=1e-6)
    assert bound.contract.state.names == SO_JOINTS


def test_a_client_without_a_prompt_needs_a_default() -> None:
    robot, message = MESSAGES["aloha"]
    silent = {key: value for key, value in message.items() if key != "prompt"}
    bound = bind(adapter_named("aloha"), contract_of(robot))
    with pytest.raises(DataError, match=r"no prompt; .*takes images/cam_high, .*, state, prompt"):
        bound.observation(silent)
    told = bind(replace(adapter_named("aloha"), default_prompt="uncap the pen"), contract_of(robot))
    assert told.observation(silent).instruction == "uncap the pen"


def test_cameras_that_the_checkpoint_does_not_use_may_be_sent() -> None:
    one = replace(ALOHA, cameras=ALOHA.cameras[:1], conventions=replace(ALOHA.conventions, roles=("primary",)))  # type: ignore[type-var]
    bound = bind(adapter_named("aloha"), contract_of(one))
    assert tuple(bound.observation(MESSAGES["aloha"][1]).images) == ("cam_high",)
    assert bound.ignored == ("images/cam_low", "images/cam_left_wrist", "images/cam_right_wrist")


LIBERO_MESSAGE = MESSAGES["libero"][1]
EXPECTED = "takes observation/image, observation/wrist_image, observation/state, prompt"


@pytest.mark.parametrize(
    ("change", "message", "kind"),
    [
        ({"observation/imag": SQUARE}, f"unknown key 'observation/imag'; adapter 'libero' {EXPECTED}", "key"),
        ({"observation": {"depth": SQUARE}}, "unknown key 'observation/depth'", "key"),
        ({"observation": {"image": SQUARE}}, "'observation/image' comes twice", "key"),
        ({7: SQUARE}, "the key 7 is a int; send text", "key"),
        ({"observation/image": None}, "observation/image: a NoneType, not an array", "image"),
        ({"observation/image": SQUARE.tolist()}, "observation/image: a list, not an array", "image"),
        ({"observation/image": SQUARE[..., 0]}, r"observation/image: uint8 \[224, 224\]", "layout"),
        ({"observation/image": SQUARE[None]}, r"uint8 \[1, 224, 224, 3\]", "layout"),
        ({"observation/image": np.moveaxis(SQUARE, -1, 0)}, "that is CHW, another image layout", "layout"),
        ({"observation/image": SQUARE[:0]}, r"uint8 \[0, 224, 3\]", "layout"),
        ({"observation/image": SQUARE / np.float32(255)}, "float32 .*send RGB, uint8, HWC", "values"),
        ({"observation/state": np.zeros(7)}, r"shape \[7\], but the state has \[8\]: x, y, z, rx", "width"),
        ({"observation/state": np.zeros((1, 8))}, r"shape \[1, 8\]", "width"),
        ({"observation/state": np.array(["0"] * 8)}, "observation/state: <U1; send 8 real numbers", "width"),
        ({"observation/state": np.zeros(8, bool)}, "observation/state: bool; send 8 real numbers", "width"),
        ({"observation/state": None}, "observation/state: NoneType; send 8 real numbers", "width"),
        ({"observation/state": np.full(8, np.nan)}, "observation/state: 'x' is NaN or infinite", "numbers"),
        ({"observation/state": [0.0] * 7 + [np.inf]}, "'finger 1' is NaN or infinite", "numbers"),
        ({"observation/state": [[1.0], [2.0, 3.0]]}, "observation/state: list; send 8 real numbers", "width"),
        ({"observation/state": [10**400] * 8}, "observation/state: object; send 8 real numbers", "width"),
        ({"observation/state": np.full(8, 1e300)}, "observation/state: 'x' is NaN or infinite", "numbers"),
        ({"prompt": "\udcff"}, "prompt: holds half a character", "prompt"),
        ({"prompt": ""}, "prompt: an empty text", "prompt"),
        ({"prompt": "  \n"}, "prompt: an empty text", "prompt"),
        ({"prompt": b"pick"}, "prompt: a bytes; send the instruction as text", "prompt"),
        ({"prompt": ["pick"]}, "prompt: a list", "prompt"),
    ],
)
def test_a_message_that_does_not_fit_is_an_error_that_names_the_key(
    change: dict[Any, Any], message: str, kind: str
) -> None:
    bound = bind(adapter_named("libero"), contract_of(LIBERO))
    with pytest.raises(DataError, match=message) as raised:
        bound.observation(LIBERO_MESSAGE | change)
    assert raised.value.kind == kind
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("key", sorted(LIBERO_MESSAGE))
def test_a_missing_key_is_an_error_with_the_expected_list(key: str) -> None:
    bound = bind(adapter_named("libero"), contract_of(LIBERO))
    rest = {name: value for name, value in LIBERO_MESSAGE.items() if name != key}
    with pytest.raises(DataError, match=f"observation: no {key}; it has .*{EXPECTED}"):
        bound.observation(rest)


@pytest.mark.parametrize("message", [None, [], "x", {"a": {}}])
def test_what_is_no_message(message: Any) -> None:
    with pytest.raises(DataError, match="observation"):
        bind(adapter_named("libero"), contract_of(LIBERO)).observation(message)


def test_nesting_is_bounded() -> None:
    message: dict[str, Any] = {}
    for _ in range(1000):
        message = {"a": message}
    with pytest.raises(DataError, match="nested deeper than"):
        bind(adapter_named("libero"), contract_of(LIBERO)).observation(message)


def test_the_same_thing_twice() -> None:
    robot, message = MESSAGES["polymath"]
    with pytest.raises(DataError, match="observation/state and state are the same thing"):
        bind(adapter_named("polymath"), contract_of(robot)).observation(
            message | {"observation/state": message["state"]}
        )


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (np.zeros((2, 6)), r"float64 \[2, 6\]; send numbers \[K, 7\]: dx, dy, dz"),
        (np.zeros(7), r"float64 \[7\]"),
        (np.full((1, 7), np.nan), "hold NaN or infinity"),
        ("actions", "executed actions: object"),
        ([[1.0], [2.0, 3.0]], "executed actions: object"),
        (np.full((1, 7), 1e300), "hold NaN or infinity"),
        (np.zeros((1, 7), complex), r"complex128 \[1, 7\]"),
    ],
)
def test_executed_actions_that_cannot_be(actions: Any, message: str) -> None:
    bound = bind(adapter_named("libero"), contract_of(LIBERO))
    observation = bound.observation(LIBERO_MESSAGE)
    with pytest.raises(DataError, match=message):
        bound.own_actions(actions, observation)


def test_an_unknown_adapter_lists_them() -> None:
    with pytest.raises(ConfigError, match="no robot adapter 'liberoo'; did you mean libero"):
        adapter_named("liberoo")


OWN = """
name = "mine"
convert = ["order", "units"]
[images]
layout = "CHW"
values = "float32 0..1"
colour = "BGR"
[[cameras]]
keys = ["cam"]
names = ["front"]
[[state]]
keys = ["ee"]
names = ["gripper", "x", "y", "z"]
[action]
names = ["gripper", "dx", "dy", "dz"]
"""


def test_a_users_own_file(tmp_path: Path) -> None:
    path = tmp_path / "my_robot.toml"
    path.write_text(OWN)
    bound = bind(adapter_named(str(path)), contract_of(SAWYER))
    red = np.zeros((3, 2, 2), np.float32)
    red[2] = 1.0  # BGR
    observation = bound.observation({"cam": red, "ee": [0.5, 1, 2, 3], "prompt": "go"})
    np.testing.assert_array_equal(observation.state, [1, 2, 3, 0.5])
    np.testing.assert_array_equal(observation.images["front"][0, 0], [255, 0, 0])
    actions = bound.actions(np.array([[1.0, 2, 3, -1]]), observation)
    np.testing.assert_array_equal(actions, [[-1, 1, 2, 3]])
    assert bound.contract.image.layout == "CHW"
    assert bound.conversions[:3] == ("image CHW -> HWC", "image float32 0..1 -> uint8", "image BGR -> RGB")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('name = "mine"', "name = 5", "my_robot.toml.name: expected str, got 5"),
        ('name = "mine"', 'nam = "mine"', "my_robot.toml.nam: no such field in Adapter; did you mean name"),
        ('name = "mine"', "name = ", "my_robot.toml: no valid TOML"),
        ('"order"', '"sign"', r"convert\[0\]: 'sign' is none of 'units', 'motion'"),
        ('"CHW"', '"HCW"', "images.layout: 'HCW' is none of 'HWC', 'CHW'"),
        ('"BGR"', '"GBR"', "images.colour: 'GBR' is none of"),
        ('keys = ["cam"]', "keys = []", "must have keys"),
        ('keys = ["cam"]', 'key = ["cam"]', "no such field in CameraKey; did you mean keys"),
        ('keys = ["cam"]', 'keys = ["ee"]', "'ee' stands for two things"),
        ('keys = ["cam"]', 'keys = [""]', "'' cannot be a key of a robot"),
        ('keys = ["cam"]', 'keys = ["polymath/cam"]', "'polymath/cam' cannot be a key of a robot"),
        ('name = "mine"', 'name = "mine"\nrate = nan', "my_robot.toml.rate: nan; give the client's control steps"),
        ('name = "mine"', 'name = "mine"\nrate = -5', "my_robot.toml.rate: -5.0"),
        ('name = "mine"', 'name = "mine"\ndefault_prompt = " "', "my_robot.toml.default_prompt: is empty"),
        ('colour = "BGR"', '[[cameras]]\nkeys = ["a/{camera}"]\n[[cameras]]\nkeys = ["b/{camera}"]', "stand for every"),
        ("[action]", '[action]\nrotation = "matrix"', "rotation: 'matrix'; choose from none, euler xyz"),
        ('keys = ["cam"]', 'keys = "cam"', "expected a list, got 'cam'"),
        ('names = ["front"]', 'role = "front"', "role: 'front' fits no alternative"),
        ('names = ["gripper", "dx", "dy", "dz"]', 'units = ["1", "m", "m", "m"]', "has 4 units, but no names"),
        ('colour = "BGR"', f'fit = "pad {"9" * 5000}:1"', "write stretch, or pad"),
        ('colour = "BGR"', 'fit = "pad 16x9"', "my_robot.toml.images.fit: 'pad 16x9'; write stretch, or pad"),
        ('colour = "BGR"', "turned = 90", "images.turned: 90 is none of 0, 180"),
    ],
)
def test_a_file_that_is_wrong_names_the_field(tmp_path: Path, before: str, after: str, message: str) -> None:
    path = tmp_path / "my_robot.toml"
    assert before in OWN
    path.write_text(OWN.replace(before, after))
    with pytest.raises(ConfigError, match=message) as raised:
        load(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["nowhere.toml", "."])
def test_a_file_that_is_not_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / name)


def test_another_package_adds_one(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = replace(adapter_named("libero"), name="mine")

    def find(group: str, name: str, kind: type, built_in: dict[str, Adapter]) -> Adapter | None:
        assert (group, kind) == ("polymath.adapters", Adapter)
        return mine if name == "mine" else built_in.get(name)

    monkeypatch.setattr(plugins, "find", find)
    assert adapter_named("mine") is mine


def test_the_file_shown_in_the_docs_drives_a_bridge_checkpoint(tmp_path: Path) -> None:
    page = Path(__file__).parents[3] / "docs" / "adapters.md"
    path = tmp_path / "my_robot.toml"
    path.write_text(re.findall(r"^```toml\n(name.*?)^```", page.read_text(), flags=re.M | re.S)[0])
    one = replace(WIDOWX.conventions, roles=("primary",))  # type: ignore[type-var]
    robot = replace(WIDOWX, cameras=("image_0",), control_hz=20.0, conventions=one)
    bound = bind(load(path), contract_of(robot))
    assert bound.conversions == (
        "image BGR -> RGB",
        "state units mm, deg, % -> SI",
        "action rotation euler xyz -> axis-angle",
        "action gripper -1 closed 1 open -> 0 open 1 closed",
        "action units SI -> mm, deg, 1",
    )


def test_every_adapter_is_in_the_docs() -> None:
    text = (Path(__file__).parents[3] / "docs" / "adapters.md").read_text()
    assert [name for name in adapter_names() if f"`{name}`" not in text] == []
