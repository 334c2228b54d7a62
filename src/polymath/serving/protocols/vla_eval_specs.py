"""What vla-eval's harness is told of a run, and how its observations become those of a robot adapter.

vla-eval's benchmarks send `images` by name, `state` or `states`, and `task_description`, all in conventions of their
own; `?robot=NAME` names the adapter that knows them. Names of formats are those of vla-eval 0.8.0, `specs.py`.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from polymath.errors import DataError
from polymath.policy.contract import Contract
from polymath.policy.remote import vla_eval_wire as wire
from polymath.serving.adapters.binding import Bound
from polymath.serving.service import Connection

ROLE_NAMES = {
    "primary": ("agentview", "primary", "rgb_static", "image"),
    "wrist": ("wrist", "rgb_gripper"),
}
"""Names of vla-eval's LIBERO, SimplerEnv and CALVIN benchmarks for what a camera is there for."""
ROTATIONS = {"euler xyz": (3, "euler_xyz"), "axis-angle": (3, "axis_angle"), "quaternion xyzw": (4, "quaternion_xyzw")}
GRIPPERS = {
    "-1 open 1 closed": "binary_close_positive",
    "-1 closed 1 open": "binary_close_negative",
    "0 open 1 closed": "binary_close_01",
    "0 closed 1 open": "continuous_01",
}
POSITIONS = {"pose delta": "delta_xyz", "pose": "absolute_xyz"}


def hello(connection: Connection) -> dict[str, Any]:
    """The payload of the server's hello; `polymath` in it is our own contract, as in openpi's metadata."""
    contract = connection.contract
    wrist = "wrist" in (contract.cameras.roles or ())
    return {
        "harness_version": f"polymath-v {_own_version()}",
        "protocol_version": wire.VERSION,
        "model_server": connection.served.name,
        "capabilities": {},
        "observation_params": {"send_state": True, **({"send_wrist_image": True} if wrist else {})},
        "action_spec": action_spec(contract),
        "observation_spec": {"language": {"name": "language", "dims": 0, "format": "language"}},
        "polymath": connection.describe(),
    }


def action_spec(contract: Contract) -> dict[str, dict[str, Any]]:
    """Parts of an action in vla-eval's words, so that the harness warns of a benchmark that reads them otherwise.

    Empty where the run does not say what its actions mean, or vla-eval has no word for it.
    """
    action, result = contract.action, {}
    if action.motion in POSITIONS:
        result["position"] = {"name": "position", "dims": 3, "format": POSITIONS[action.motion]}
    if action.rotation in ROTATIONS:
        dims, name = ROTATIONS[action.rotation]
        result["rotation"] = {"name": "rotation", "dims": dims, "format": name}
    if action.gripper in GRIPPERS:
        result["gripper"] = {"name": "gripper", "dims": 1, "format": GRIPPERS[action.gripper]}
    return result


def observation_message(payload: Any, bound: Bound) -> dict[str, Any]:
    """A vla-eval observation under the keys of an adapter; what the benchmark sends beside it is left out.

    Raises DataError, with both sides, for a camera or a state that is not there.
    """
    images = payload.get("images")
    if not isinstance(images, Mapping) or not images:
        raise DataError(f"images: a {type(images).__name__}; send a map, name -> picture")
    roles = dict(zip(bound.checkpoint.cameras.names, bound.checkpoint.cameras.roles or (), strict=False))
    message: dict[str, Any] = {
        keys[0]: _as_adapter(_picture(images, camera, roles.get(camera), bound), bound)
        for camera, keys in bound.cameras.items()
    }
    message |= _state(payload, bound)
    message[bound.adapter.prompt[0]] = payload.get("task_description", "")
    return message


def _picture(images: Mapping[str, Any], camera: str, role: str | None, bound: Bound) -> Any:
    """The benchmark's picture for a camera of the checkpoint: of its name, of a name of its adapter, or of its role."""
    aliases = [name for key in bound.adapter.cameras for name in key.names if camera in key.names]
    candidates = [name for name in (camera, *aliases) if name in images]
    same_role = [each for each in bound.checkpoint.cameras.roles or () if each == role]
    if not candidates and role and len(same_role) == 1:
        candidates = [name for name in ROLE_NAMES.get(role, ()) if name in images]
    if not candidates:
        raise DataError(
            f"images: none for camera {camera!r} ({role or 'without a role'}) of the checkpoint; the benchmark sends "
            f"{_names(images)}; choose the adapter that knows them with ?robot=NAME",
            "camera",
        )
    return images[candidates[0]]


def _as_adapter(picture: Any, bound: Bound) -> Any:
    """vla-eval's pictures are [height, width, 3]; an adapter of another layout gets its own."""
    if bound.adapter.images.layout == "CHW" and isinstance(picture, np.ndarray) and picture.ndim == 3:
        return np.moveaxis(picture, -1, 0)
    return picture


def _state(payload: Mapping[str, Any], bound: Bound) -> dict[str, Any]:
    present = [name for name in ("state", "states") if name in payload]
    if not present:
        raise DataError("state: is missing; have the benchmark send it (send_state: true)", "state")
    try:
        state = np.asarray(payload[present[0]])
    except ValueError:
        raise DataError(f"{present[0]}: lists of unequal lengths; send a vector of numbers", "state") from None
    parts = bound.adapter.state
    if len(parts) == 1:
        return {parts[0].keys[0]: state}
    widths = [len(part.names or ()) for part in parts]
    if state.ndim != 1 or len(state) != sum(widths):
        raise DataError(
            f"{present[0]}: {list(state.shape)}, but adapter {bound.adapter.name!r} takes [{sum(widths)}]", "state"
        )
    return {part.keys[0]: piece for part, piece in zip(parts, _split(state, widths), strict=True)}


def _split(state: np.ndarray, widths: Sequence[int]) -> list[np.ndarray]:
    return np.split(state, np.cumsum(widths)[:-1])


def _names(images: Mapping[str, Any]) -> str:
    return ", ".join(str(name)[:40] for name in list(images)[:10])


def _own_version() -> str:
    try:
        return version("polymath-v")
    except PackageNotFoundError:
        return "unknown"
