"""What a server calls its pictures, states and instruction, as data: the ones of known robots, or a JSON file.

    {"images": {"front": "observation/image"}, "state": {"observation/state": [0, 8]}, "prompt": "prompt",
     "layout": "HWC", "image_size": 224}

A dot in a key opens a map: "images.front" is `{"images": {"front": …}}`. A range of dimensions is [first, after last].
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np

from polymath import config
from polymath.errors import ConfigError, DataError, did_you_mean
from polymath.types import Observation


@dataclass(frozen=True)
class Keys:
    """images: camera of the robot -> key, in the order in which they are sent; empty: all, as "images.CAMERA".

    state: key -> the dimensions of the state that stand there, None for all. layout: of a picture, as sent. image_size:
    pixels of a side that the server wants rendered; 0 leaves it to the benchmark.
    """

    images: dict[str, str] = field(default_factory=dict)
    state: dict[str, tuple[int, int] | None] = field(default_factory=lambda: {"state": None})
    prompt: str = "prompt"
    layout: Literal["HWC", "CHW"] = "HWC"
    image_size: int = 0

    def message(self, observation: Observation) -> dict[str, Any]:
        """The observation under these keys; pictures uint8, the state float32.

        Raises DataError naming what the observation lacks.
        """
        cameras = self.images or {camera: f"images.{camera}" for camera in observation.images}
        result: dict[str, Any] = {}
        for camera, key in cameras.items():
            if camera not in observation.images:
                raise DataError(
                    f"the server wants camera {camera!r} as {key!r}, but the robot shows "
                    f"{', '.join(observation.images)}; name other keys with ?robot=NAME or FILE.json"
                )
            image = np.asarray(observation.images[camera])
            if image.ndim != 3:
                raise DataError(f"images.{camera}: shape {list(image.shape)}; a picture is [height, width, 3]")
            _put(result, key, np.ascontiguousarray(image if self.layout == "HWC" else image.transpose(2, 0, 1)))
        state = np.asarray(observation.state, np.float32)
        if state.ndim != 1:
            raise DataError(f"state: shape {list(state.shape)}; a state is [state_dim]")
        for key, dims in self.state.items():
            if dims is not None and not 0 <= dims[0] < dims[1] <= len(state):
                raise DataError(
                    f"the server wants dimensions {dims[0]} to {dims[1]} of the state as {key!r}, but it has "
                    f"{len(state)}; name other keys with ?robot=NAME or FILE.json"
                )
            _put(result, key, state if dims is None else state[slice(*dims)])
        _put(result, self.prompt, observation.instruction)
        return result


OPENPI = {
    "polymath": Keys(),
    "libero": Keys(
        {"agentview_rgb": "observation/image", "eye_in_hand_rgb": "observation/wrist_image"},
        {"observation/state": None},
        image_size=256,
    ),
    "droid": Keys(
        {camera: f"observation/{camera}" for camera in ("exterior_image_1_left", "wrist_image_left")},
        {"observation/joint_position": (0, 7), "observation/gripper_position": (7, 8)},
        image_size=224,
    ),
    "aloha": Keys(layout="CHW", image_size=224),
}
"""Sources: openpi 15a9616, `examples/libero/main.py`, `examples/droid/main.py`, `policies/aloha_policy.py`."""

VLA_EVAL = {
    "polymath": Keys({}, {"state": None, "states": None}, "task_description"),
    "libero": Keys(
        {"agentview_rgb": "images.agentview", "eye_in_hand_rgb": "images.wrist"},
        {"states": None},
        "task_description",
        image_size=256,
    ),
}
"""Sources: vla-eval 0.8.0, `vla_eval/types.py` and `benchmarks/libero/benchmark.py`; servers read state or states."""


def keys_of(robot: str, known: Mapping[str, Keys]) -> Keys:
    """The keys of a known robot, or of the file of that name. Raises ConfigError naming the field that does not fit."""
    if robot in known:
        return known[robot]
    path = Path(robot)
    if not path.suffix:
        raise ConfigError(f"?robot={robot}: {did_you_mean(robot, known)}, or name a file FILE.json")
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"?robot={robot}: not a JSON file of keys ({error})") from None
    if not isinstance(values, dict):
        raise ConfigError(f"?robot={robot}: a {type(values).__name__}, not an object with images, state and prompt")
    keys = config.from_dict(Keys, values, str(path))
    _check(keys, path)
    return keys


def _check(keys: Keys, path: Path) -> None:
    """Raise ConfigError for keys that are empty or hide one another, and for a picture size that is none."""
    images = list(keys.images.values()) or ["images.CAMERA"]
    names = sorted([*images, *keys.state, keys.prompt], key=lambda key: key.split("."))
    if not all(part for name in names for part in name.split(".")):
        raise ConfigError(f"{path}: a key, or a part of one between dots, is empty; name it as the server does")
    if keys.image_size < 0:
        raise ConfigError(f"{path}: image_size {keys.image_size}; give pixels, or 0 for the benchmark's own")
    for first, second in pairwise(names):
        if f"{second}.".startswith(f"{first}."):
            raise ConfigError(f"{path}: keys {first!r} and {second!r}: one hides the other; give each input its own")


def _put(message: dict[str, Any], key: str, value: Any) -> None:
    *folders, last = key.split(".")
    for folder in folders:
        message = message.setdefault(folder, {})
    message[last] = value
