"""The misuse table of docs/adapters.md: ten wrong pairings of a checkpoint and a client, each an error by name.

Each is tried both ways: the client says it (claims, in the handshake), and an adapter file says it of a client.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.serving.adapters.contracts import contract_of

from polymath.data.robots.embodiments import DROID, LIBERO
from polymath.errors import DataError
from polymath.serving.adapters import Adapter, adapter_named, bind
from polymath.serving.adapters.adapter import CameraKey

CONTRACT = contract_of(LIBERO)
SWAPPED = (
    CameraKey(("observation/image",), ("eye_in_hand_rgb",), "primary"),
    CameraKey(("observation/wrist_image",), ("agentview_rgb",), "wrist"),
)
STRICT = replace(adapter_named("libero"), convert=())
IMAGE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
MESSAGE = {
    "observation/image": IMAGE,
    "observation/wrist_image": IMAGE,
    "observation/state": np.zeros(8),
    "prompt": "go",
}


def action(**fields: Any) -> Callable[[Adapter], Adapter]:
    return lambda adapter: replace(adapter, action=replace(adapter.action, **fields))


def state(**fields: Any) -> Callable[[Adapter], Adapter]:
    return lambda adapter: replace(adapter, state=(replace(adapter.state[0], **fields),))


# pairing: what the client says, the field, both sides as they are printed, an adapter that says it of its clients
TABLE: dict[str, tuple[dict[str, Any], str, str, str, Callable[[Adapter], Adapter]]] = {
    "sign": (
        {"action": {"gripper": "-1 closed 1 open"}},
        "action.gripper",
        "'-1 closed 1 open'",
        "'-1 open 1 closed'",
        action(gripper="-1 closed 1 open"),
    ),
    "frame": ({"action": {"frame": "tool"}}, "action.frame", "'tool'", "'base'", action(frame="tool")),
    "delta": (
        {"action": {"motion": "pose"}},
        "action.motion",
        "'pose'",
        "'pose delta'",
        action(
            motion="pose",
            names=("x", "y", "z", "rx", "ry", "rz", "gripper"),
            units=("m", "m", "m", "rad", "rad", "rad", "1"),
        ),
    ),
    "rate": ({"rate": 10.0}, "rate", "10.0", "20.0", lambda adapter: replace(adapter, rate=10.0)),
    "camera order": (
        {"cameras": {"names": ["eye_in_hand_rgb", "agentview_rgb"]}},
        "cameras.names",
        "['eye_in_hand_rgb', 'agentview_rgb']",
        "['agentview_rgb', 'eye_in_hand_rgb']",
        lambda adapter: replace(adapter, cameras=SWAPPED),
    ),
    "rotation": (
        {"action": {"rotation": "euler xyz"}},
        "action.rotation",
        "'euler xyz'",
        "'axis-angle'",
        action(
            rotation="euler xyz",
            names=("dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper"),
            units=("0.05 m", "0.05 m", "0.05 m", "0.5 rad", "0.5 rad", "0.5 rad", "1"),
        ),
    ),
    "units": (
        {"state": {"units": ["m", "m", "m", "deg", "deg", "deg", "m", "m"]}},
        "state.units",
        "['m', 'm', 'm', 'deg', 'deg', 'deg', 'm', 'm']",
        "['m', 'm', 'm', 'rad', 'rad', 'rad', 'm', 'm']",
        state(units=("m", "m", "m", "deg", "deg", "deg", "m", "m")),
    ),
    "width": (
        {"state": {"names": ["x", "y", "z", "rx", "ry", "rz", "gripper"]}},
        "state.names",
        "['x', 'y', 'z', 'rx', 'ry', 'rz', 'gripper']",
        "['x', 'y', 'z', 'rx', 'ry', 'rz', 'finger 0', 'finger 1']",
        state(names=("x", "y", "z", "rx", "ry", "rz", "gripper"), units=("m", "m", "m", "rad", "rad", "rad", "1")),
    ),
}


@pytest.mark.parametrize("pairing", TABLE)
def test_a_client_that_says_so_is_refused_with_both_sides(pairing: str) -> None:
    claims, field, theirs, ours, _ = TABLE[pairing]
    with pytest.raises(DataError, match=re.escape(f"{field}: client {theirs}, checkpoint {ours}")) as raised:
        bind(STRICT, CONTRACT).contract.check(claims)
    assert raised.value.kind == field
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("pairing", TABLE)
def test_an_adapter_of_such_clients_is_refused_with_both_sides(pairing: str) -> None:
    _, field, theirs, ours, change = TABLE[pairing]
    message = f"{field}: adapter {theirs}, checkpoint {ours}"
    if pairing == "camera order":
        message = "cameras: adapter has 'agentview_rgb' as 'wrist'"
    with pytest.raises(DataError, match=re.escape(message)) as raised:
        bind(change(STRICT), CONTRACT)
    assert "\n" not in str(raised.value)


def test_statistics_of_another_run_are_refused() -> None:
    other = contract_of(LIBERO, high=2.0).statistics
    with pytest.raises(DataError, match=f"statistics: client '{other}', checkpoint '{CONTRACT.statistics}'"):
        CONTRACT.check({"statistics": other})


def test_another_image_layout_is_refused_by_claim_and_by_picture() -> None:
    bound = bind(STRICT, CONTRACT)
    with pytest.raises(DataError, match=r"image.layout: client 'CHW', checkpoint 'HWC'"):
        bound.contract.check({"image": {"layout": "CHW"}})
    with pytest.raises(DataError, match=r"observation/image: uint8 .* that is CHW, another image layout"):
        bound.observation(MESSAGE | {"observation/image": np.moveaxis(IMAGE, -1, 0)})


def test_padded_pictures_for_a_checkpoint_of_stretched_ones_are_refused() -> None:
    with pytest.raises(DataError, match=r"image.fit: client 'pad 16:9', checkpoint 'stretch'"):
        CONTRACT.check({"image": {"fit": "pad 16:9"}})
    padded = replace(adapter_named("droid"), convert=("motion", "units", "gripper"))
    with pytest.raises(DataError, match=r"image.fit: adapter 'pad 16:9', checkpoint 'stretch'"):
        bind(padded, contract_of(DROID))


def test_claims_are_those_of_the_client_behind_its_adapter() -> None:
    """openpi's ALOHA client says CHW, which is what its adapter reads, though the checkpoint sees HWC."""
    client = bind(adapter_named("droid"), contract_of(DROID)).contract
    client.check({"action": {"motion": "joint delta", "gripper": "0 open 1 closed"}, "image": {"fit": "pad 16:9"}})
    with pytest.raises(DataError, match=r"action.motion: client 'joints', checkpoint 'joint delta'"):
        client.check({"action": {"motion": "joints"}})


def test_the_table_is_in_the_docs() -> None:
    text = (Path(__file__).parents[3] / "docs" / "adapters.md").read_text()
    for pairing in (*TABLE, "statistics", "image layout"):
        assert re.search(rf"^\| {pairing} \|", text, flags=re.M), pairing
