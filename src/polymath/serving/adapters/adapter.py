"""What a robot adapter is: a TOML file beside this one, the user's own, or an object of another package.

    name = "libero"                             convert = ["gripper"]         conversions that are allowed
    prompt = ["prompt"]                         rate = 20.0
    [[cameras]]                                 keys, the checkpoint's names for it, its role
    keys = ["observation/image"]
    names = ["agentview_rgb", "image"]
    role = "primary"
    [[state]]                                   parts of the state, end to end
    keys = ["observation/state"]
    names = ["x", "y", "z", …]
    units = ["m", "m", "m", …]
    [action]                                    what the client executes; what is left out is the checkpoint's own
    motion = "pose delta"
    [images]
    layout = "HWC"

`a/b` is the key "a/b" as well as "b" inside "a". "{camera}" in a key stands for every camera of the checkpoint.
"""

import functools
import math
import re
import tomllib
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Literal

from polymath import config, plugins
from polymath.errors import ConfigError, did_you_mean
from polymath.serving.adapters.pictures import Images
from polymath.serving.adapters.rotations import NAMES
from polymath.serving.adapters.units import in_si
from polymath.types import Frame, Gripper, Motion, Role

GROUP = "polymath.adapters"
DEFAULT = "polymath"
CAMERA = "{camera}"
NAME = re.compile(r"[\w.-]+", re.ASCII)
RESERVED = "polymath/"  # keys of a message that are not part of an observation
Conversion = Literal["units", "motion", "rotation", "gripper", "order", "fit"]


@dataclass(frozen=True)
class CameraKey:
    """keys: any one of them in a message; names: of the checkpoint's camera, the first that it has.

    role: that of the camera; where no name matches, the checkpoint's only camera of that role.
    """

    keys: tuple[str, ...]
    names: tuple[str, ...] = ()
    role: Role | None = None


@dataclass(frozen=True)
class StatePart:
    """keys: any one of them in a message. Without names the part is the checkpoint's whole state."""

    keys: tuple[str, ...]
    names: tuple[str, ...] | None = None
    units: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Executed:
    """What the client executes. A field of None is what the checkpoint says; see `polymath.types.Conventions`."""

    names: tuple[str, ...] | None = None
    units: tuple[str, ...] | None = None
    motion: Motion | None = None
    rotation: str | None = None
    frame: Frame | None = None
    gripper: Gripper | None = None
    space: str | None = None


@dataclass(frozen=True)
class Adapter:
    """`convert` names what may be converted; any other difference from a checkpoint's contract is an error.

    prompt: keys of the instruction, any one of them; default_prompt: the instruction of a client that sends none.
    rate: control steps a second of the client; None: not checked. source: where the facts are from.
    unsaid: what happens where the adapter states a unit or a convention, but the checkpoint says nothing, as one that
    was trained on a data set without them: "refuse", or "pass" the numbers on unchanged, as they were recorded.
    """

    name: str
    cameras: tuple[CameraKey, ...]
    state: tuple[StatePart, ...]
    title: str = ""
    source: str = ""
    prompt: tuple[str, ...] = ("prompt",)
    default_prompt: str | None = None
    action: Executed = field(default_factory=Executed)
    images: Images = field(default_factory=Images)
    rate: float | None = None
    state_space: str | None = None
    convert: tuple[Conversion, ...] = ()
    unsaid: Literal["refuse", "pass"] = "refuse"

    def __post_init__(self) -> None:
        """Raises ConfigError for a description that cannot be read in one way."""
        parts: tuple[CameraKey | StatePart, ...] = (*self.cameras, *self.state)
        keys = [key for part in parts for key in part.keys] + list(self.prompt)
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise ConfigError(
                f"keys: {sorted(twice)[0]!r} stands for two things in adapter {self.name!r}; name it once"
            )
        wrong = [key for key in keys if not key or key.startswith(RESERVED)]
        if wrong:
            raise ConfigError(f"keys: {wrong[0]!r} cannot be a key of a robot (adapter {self.name!r}); name another")
        self._check_spelling()
        if sum(not camera.names and any(CAMERA in key for key in camera.keys) for camera in self.cameras) > 1:
            raise ConfigError(f"cameras: two entries of adapter {self.name!r} stand for every camera; give one names")
        if not all(part.keys for part in parts) or not (self.cameras and self.state and self.prompt):
            raise ConfigError(f"keys: adapter {self.name!r} must have keys for a camera, the state and the prompt")
        if self.rate is not None and not 0 < self.rate < math.inf:
            raise ConfigError(f"rate: {self.rate}; give the client's control steps a second, a number above 0")
        if self.default_prompt is not None and not self.default_prompt.strip():
            raise ConfigError("default_prompt: is empty; describe the task in words, or leave it out")
        if self.action.rotation not in (None, "none", *NAMES):
            raise ConfigError(f"action.rotation: {self.action.rotation!r}; choose from none, {', '.join(NAMES)}")
        if len(self.state) > 1 and any(part.names is None for part in self.state):
            raise ConfigError(f"state: adapter {self.name!r} has {len(self.state)} parts; give each its names")
        vectors = [("state", part.names, part.units) for part in self.state]
        for where, names, units in [*vectors, ("action", self.action.names, self.action.units)]:
            if units is not None and (names is None or len(names) != len(units)):
                have = "no" if names is None else len(names)
                raise ConfigError(f"{where}: adapter {self.name!r} has {len(units)} units, but {have} names; give both")

    def _check_spelling(self) -> None:
        """Raises ConfigError for a name, a key or a unit that means nothing."""
        if not NAME.fullmatch(self.name):
            raise ConfigError(f"name: {self.name!r} cannot stand in ?robot=NAME; use letters, digits, '.', '_' and '-'")
        cameras = [key.replace(CAMERA, "") for part in self.cameras for key in part.keys]
        others = [key for part in self.state for key in part.keys]
        for key in (*cameras, *others, *self.prompt):
            if "{" in key or "}" in key:
                raise ConfigError(
                    f"keys: {key!r} in adapter {self.name!r}: braces stand for the cameras alone, as {CAMERA} in a "
                    "key of [[cameras]]"
                )
        for unit in (*(unit for part in self.state for unit in part.units or ()), *(self.action.units or ())):
            if " " in unit and in_si(unit)[0] == unit:
                raise ConfigError(f"units: {unit!r} in adapter {self.name!r}; write a unit, or a multiple as in 0.02 m")


def load(path: Path) -> Adapter:
    """Read a file. Raises ConfigError, naming the field, for one that is missing, no TOML, or does not fit."""
    try:
        values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no UTF-8 text"
        raise ConfigError(f"{path}: cannot be read ({reason}); name a TOML file that describes the robot") from None
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply for an adapter; see docs/adapters.md") from None
    except ValueError as error:  # no TOML, or a number of more digits than Python reads
        raise ConfigError(f"{path}: no valid TOML ({error}); see docs/adapters.md") from None
    try:
        return config.from_dict(Adapter, values, str(path))
    except ConfigError as error:  # of an own check, which knows no file
        message = str(error)
        raise ConfigError(message if message.startswith(str(path)) else f"{path}: {message}") from None


def adapter_named(name: str) -> Adapter:
    """A built-in adapter, one of another package, or the file of that path, which ends in .toml.

    Raises ConfigError listing the adapters for an unknown name, and as `load` does.
    """
    if name.endswith(".toml"):
        return load(Path(name))
    built_in = _built_in()
    adapter = plugins.find(GROUP, name, Adapter, built_in)
    if adapter is None:
        hint = did_you_mean(name, adapter_names())
        raise ConfigError(f"no robot adapter {name!r}; {hint} or give the path of a .toml file (docs/adapters.md)")
    return adapter


def adapter_names() -> list[str]:
    """The built-in ones and those of other packages; the default one first."""
    return [*_built_in(), *plugins.entries(GROUP)]


@functools.cache
def _built_in() -> dict[str, Adapter]:
    folder = resources.files("polymath.serving.adapters") / "robots"
    files = sorted(file.name for file in folder.iterdir() if file.name.endswith(".toml"))
    with resources.as_file(folder) as place:
        adapters = {file.removesuffix(".toml"): load(place / file) for file in files}
    return {DEFAULT: adapters[DEFAULT], **adapters}
