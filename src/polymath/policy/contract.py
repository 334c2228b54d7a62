"""What a checkpoint promises: the meaning of every number that goes into it and comes out of it, as plain data.

    contract = Contract.of(run)
    contract.check({"rate": 20.0, "action": {"gripper": "0 closed 1 open"}})     # raises DataError where it is wrong

A server sends `as_dict()` in its handshake, so that a client needs none of our code to read it. A client says about
itself as much of the same structure as it knows (its claims); a field in which the two differ is an error that prints
both sides. `None` in a contract: the run does not say.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from polymath import config
from polymath.data.robots.statistics import Statistics
from polymath.errors import ConfigError, DataError
from polymath.policy.differences import Difference, differences, disagreement, plain, shown
from polymath.training.robots import only
from polymath.training.run import Run
from polymath.types import Conventions, Embodiment, Frame, Gripper, Motion, Role

VERSION = 1  # of the structure of `as_dict`

Layout = Literal["HWC", "CHW"]
Colour = Literal["RGB", "BGR"]
Values = Literal["uint8", "float32 0..1"]


@dataclass(frozen=True)
class Cameras:
    """In the order in which the model is shown them."""

    names: tuple[str, ...]
    roles: tuple[Role, ...] | None = None


@dataclass(frozen=True)
class Pictures:
    """size: pixels of a side of what the model sees; pictures of other sizes are brought to it.

    fit: what becomes of the aspect ratio on the way: "stretch", the whole picture on the whole square; "pad", the whole
    picture in its middle between black bars; of a client, "pad 16:9", a picture of that ratio between black bars.
    """

    size: int
    fit: str = "stretch"
    layout: Layout = "HWC"
    colour: Colour = "RGB"
    values: Values = "uint8"


@dataclass(frozen=True)
class State:
    """names and units [state_dim]; `space` says in words what the numbers mean."""

    names: tuple[str, ...]
    units: tuple[str, ...] | None = None
    space: str = ""


@dataclass(frozen=True)
class Action:
    """names and units [A]; the conventions are those of `polymath.types.Conventions`.

    gripper_dims: dimensions in [-1, 1] that normalisation leaves alone.
    """

    names: tuple[str, ...]
    units: tuple[str, ...] | None = None
    motion: Motion | None = None
    rotation: str | None = None
    frame: Frame | None = None
    gripper: Gripper | None = None
    gripper_dims: tuple[int, ...] = ()
    space: str = ""


@dataclass(frozen=True)
class Contract:
    """rate: control steps a second. chunk: W. window: observations that an answer may depend on, the newest included.

    execute: actions between two observations of the history; None without a history. statistics: hash of what
    normalises states and actions. renderer: identity of the renderer of the training data, None for real cameras.
    committed: the most actions that an answer may be given as already under way (`robot.committed`); 0: none.
    """

    robot: str
    slot: int
    cameras: Cameras
    image: Pictures
    state: State
    action: Action
    rate: float
    chunk: int
    window: int
    execute: int | None
    statistics: str
    normalization: str
    renderer: str | None = None
    committed: int = 0
    version: int = VERSION

    def __post_init__(self) -> None:
        """Raises DataError for lists of different lengths and for numbers that cannot be."""
        for field, entries, names in (
            ("cameras.roles", self.cameras.roles, self.cameras.names),
            ("state.units", self.state.units, self.state.names),
            ("action.units", self.action.units, self.action.names),
        ):
            if entries is not None and len(entries) != len(names):
                raise DataError(f"contract.{field}: {len(entries)} entries for {len(names)} names; give one each")
        if not self.cameras.names or len(set(self.cameras.names)) < len(self.cameras.names):
            raise DataError(f"contract.cameras.names: {shown(self.cameras.names)}; name each camera once")
        if not (math.isfinite(self.rate) and self.rate > 0) or min(self.chunk, self.window, self.image.size) < 1:
            raise DataError(
                f"contract: rate {self.rate}, chunk {self.chunk}, window {self.window}, image.size {self.image.size}; "
                "each must be above 0"
            )
        if not 0 <= self.committed < self.chunk:
            raise DataError(f"contract.committed: {self.committed}; choose 0 to {self.chunk - 1}, below chunk")

    @classmethod
    def of(cls, run: Run) -> "Contract":
        """The promises of a run: its embodiment and conventions, its layout, its statistics.

        Raises DataError, naming the run, for promises that cannot be, ConfigError for a run of several robots: each has
        its own, `Contract.of(run.of(name))`.
        """
        only(run.robots, str(run.path))
        try:
            return cls._of(run)
        except DataError as error:
            raise DataError(f"{run.path}: {error} (embodiment.json, config.json)", error.kind) from None

    @classmethod
    def _of(cls, run: Run) -> "Contract":
        robot, layout = run.embodiment, run.recipe.layout
        says = robot.conventions
        return cls(
            robot=robot.name,
            slot=robot.slot,
            cameras=Cameras(robot.cameras, says.roles if says else None),
            image=Pictures(layout.image_size, layout.image_fit),
            state=State(robot.state_names, says.state_units if says else None, robot.state_space),
            action=Action(
                names=robot.action_names,
                units=says.action_units if says else None,
                motion=says.motion if says else None,
                rotation=says.rotation if says else None,
                frame=says.frame if says else None,
                gripper=says.gripper if says else None,
                gripper_dims=robot.gripper_dims,
                space=robot.action_space,
            ),
            rate=robot.control_hz,
            chunk=layout.chunk_length,
            window=layout.window,
            execute=layout.stride if layout.window > 1 else None,
            statistics=statistics_hash(run.statistics),
            normalization=run.statistics.normalization,
            renderer=run.data.renderer,
            committed=run.recipe.robot.committed,
        )

    @classmethod
    def from_dict(cls, values: Any, where: str = "contract") -> "Contract":
        """The inverse of `as_dict`. Raises DataError for another version, and for fields that do not fit."""
        if not isinstance(values, Mapping):
            raise DataError(f"{where}: a {type(values).__name__}, not the fields of a contract; is this our server?")
        version = values.get("version")
        if version != VERSION or isinstance(version, bool):
            raise DataError(
                f"{where}.version: {shown(version)}, but this program reads version {VERSION}; install the same "
                "release of polymath-v on both sides",
                "version",
            )
        try:
            return config.from_dict(cls, plain(values), where)
        except ConfigError as error:
            raise DataError(str(error), "contract") from None

    def as_dict(self) -> dict[str, Any]:
        """Nested dicts of strings, numbers, lists and None."""
        return config.to_dict(self)

    @property
    def embodiment(self) -> Embodiment:
        """The robot; without conventions where the run does not say them all."""
        state, action = self.state, self.action
        says = (self.cameras.roles, state.units, action.units, action.motion, action.rotation, action.frame)
        conventions = None if None in (*says, action.gripper) else Conventions(*says, action.gripper)  # type: ignore[arg-type]
        return Embodiment(
            name=self.robot,
            slot=self.slot,
            cameras=self.cameras.names,
            state_names=state.names,
            action_names=action.names,
            gripper_dims=action.gripper_dims,
            control_hz=self.rate,
            action_space=action.space,
            state_space=state.space,
            conventions=conventions,
        )

    def differences(self, claims: Mapping[str, Any]) -> list[Difference]:
        """The fields that `claims` names otherwise than this contract; a claim of None says nothing.

        Raises DataError for a field that a contract does not have, with those that it has.
        """
        return list(differences(claims, self.as_dict()))

    def check(self, claims: Any, who: str = "client") -> None:
        """Raise DataError, both sides printed field by field, unless all that `who` says about itself is so.

        claims: any part of the structure of `as_dict`, such as {"state": {"units": ["rad", …]}}.
        """
        if not isinstance(claims, Mapping):
            raise DataError(
                f"claims: a {type(claims).__name__}, not a mapping; name fields of the contract, as in rate"
            )
        differences = self.differences(claims)
        if differences:
            raise disagreement(who, differences, "change the client, or choose an adapter that converts (?robot=NAME)")


def statistics_hash(statistics: Statistics) -> str:
    """16 hexadecimal digits of all that decides how states and actions are normalised; what was clipped does not."""
    fields = config.to_dict(statistics)
    names = ["state", "action", "normalization", "rules"] + (["subtracted"] if statistics.subtracted else [])
    text = json.dumps({name: fields[name] for name in names}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
