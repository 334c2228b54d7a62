"""Some episodes and cameras of a set, under another robot or slot: the options that every format of episodes has.

?episodes=0-99,120        the set's own numbers; names as they stand in errors, or patterns (lift_*), work too
?episodes=@keep.txt       the same from a file, separated by commas or lines
?cameras=front,wrist      the others are left out
?robot=cart               a robot by name, where the set only says how many dimensions it has
?slot=3                   the robot's control token, where two robots train together
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from polymath.data.files.quarantine import OnBad
from polymath.data.formats.episode_choice import EpisodeChoice
from polymath.data.interface import EpisodeSet, camera_frames, episode_metadata, episode_name, episode_times
from polymath.data.robots.cameras import listed, with_cameras
from polymath.data.robots.embodiments import ROBOT_SLOTS, robot_named
from polymath.errors import ConfigError, DataError
from polymath.types import Embodiment

OPTIONS = ("episodes", "cameras", "robot", "slot")


@dataclass(frozen=True)
class Selection:
    """Each as text as it stands in a name, or as a sequence; None leaves things as they are."""

    episodes: str | Sequence[int | str] | None = None
    cameras: str | Sequence[str] | None = None
    robot: str | Embodiment | None = None
    slot: str | int | None = None

    def __bool__(self) -> bool:
        return any(choice is not None for choice in (self.episodes, self.cameras, self.robot, self.slot))


EVERYTHING = Selection()


class SelectedEpisodes:
    """Another set's chosen episodes and cameras, as `interface.EpisodeSet`; what it offers besides is passed on."""

    def __init__(self, source: EpisodeSet, rows: Sequence[int], cameras: Sequence[int], embodiment: Embodiment) -> None:
        self._source, self._rows, self._cameras = source, list(rows), list(cameras)
        self._all_cameras = self._cameras == list(range(len(source.embodiment.cameras)))
        self.embodiment = embodiment
        self.notes: tuple[str, ...] = tuple(getattr(source, "notes", ()))

    @property
    def name(self) -> str:
        return self._source.name

    @property
    def recording(self) -> dict[str, Any]:
        return getattr(self._source, "recording", {})

    def __len__(self) -> int:
        return len(self._rows)

    def episode_name(self, episode: int) -> str:
        return episode_name(self._source, self._rows[episode])

    def instruction(self, episode: int) -> str:
        return self._source.instruction(self._rows[episode])

    def task(self, episode: int) -> str:
        return self._source.task(self._rows[episode])

    def metadata(self, episode: int) -> dict[str, Any]:
        return episode_metadata(self._source, self._rows[episode])

    def states(self, episode: int) -> Float[np.ndarray, "T state_dim"]:
        return self._source.states(self._rows[episode])

    def actions(self, episode: int) -> Float[np.ndarray, "T A"]:
        return self._source.actions(self._rows[episode])

    def frames(self, episode: int, steps: Sequence[int]) -> UInt8[np.ndarray, "n C height width 3"]:
        frames = self._source.frames(self._rows[episode], steps)
        return frames if self._all_cameras else frames[:, self._cameras]

    def camera_frames(self, episode: int, camera: str, steps: Sequence[int]) -> UInt8[np.ndarray, "n height width 3"]:
        place = self._cameras[self.embodiment.cameras.index(camera)]
        return camera_frames(self._source, self._rows[episode], place, steps)

    def times(self, episode: int) -> Float[np.ndarray, " T"] | None:
        return episode_times(self._source, self._rows[episode])


def select(
    source: EpisodeSet,
    episodes: str | Sequence[int | str] | None = None,
    cameras: str | Sequence[str] | None = None,
    robot: str | Embodiment | None = None,
    slot: str | int | None = None,
) -> EpisodeSet:
    """The chosen part of an open set. Raises ConfigError listing what there is for an episode or camera that is not."""
    choice = None if episodes is None else EpisodeChoice(episodes, source.name)
    return apply(source, Selection(None, cameras, robot, slot), choice)


def apply(source: EpisodeSet, selection: Selection, choice: EpisodeChoice | None) -> EpisodeSet:
    """As `select`, for a set that was opened with `choice.watch(on_bad)`."""
    notes: list[str] = []
    rows = range(len(source)) if choice is None else choice.rows(source, notes)
    chosen = None if selection.cameras is None else listed(selection.cameras)
    embodiment, cameras = with_cameras(source.embodiment, chosen, source.name)
    if len(cameras) < len(source.embodiment.cameras):
        left = [name for place, name in enumerate(source.embodiment.cameras) if place not in cameras]
        notes.append(f"cameras {', '.join(left)} are left out, as chosen")
    if selection.robot is not None:
        embodiment, cameras = _as_robot(embodiment, cameras, selection.robot, source.name, notes)
    if selection.slot is not None:
        embodiment = replace(embodiment, slot=_slot(selection.slot, source.name))
    selected = SelectedEpisodes(source, rows, cameras, embodiment)
    selected.notes += tuple(notes)
    return selected


def watched(selection: Selection, name: str, on_bad: OnBad) -> tuple[EpisodeChoice | None, OnBad]:
    """The choice of episodes, and an `on_bad` that leaves alone what is not chosen."""
    if selection.episodes is None:
        return None, on_bad
    choice = EpisodeChoice(selection.episodes, name)
    return choice, choice.watch(on_bad)


def _as_robot(
    recorded: Embodiment, cameras: Sequence[int], choice: str | Embodiment, where: str, notes: list[str]
) -> tuple[Embodiment, list[int]]:
    """The robot, with the places of its cameras. Raises DataError unless it fits what was recorded."""
    robot = robot_named(choice) if isinstance(choice, str) else choice
    for field, there, needed in (
        ("state dimensions", recorded.state_dim, robot.state_dim),
        ("action dimensions", recorded.action_dim, robot.action_dim),
        ("cameras", len(recorded.cameras), len(robot.cameras)),
    ):
        if there != needed:
            raise DataError(
                f"{where}: {there} {field}, but robot {robot.name!r} has {needed}; choose the robot that recorded it, "
                f"or with cameras=NAME,NAME some of {', '.join(recorded.cameras)}",
                "width",
            )
    if set(robot.cameras) == set(recorded.cameras):
        return robot, [cameras[recorded.cameras.index(name)] for name in robot.cameras]
    for theirs, ours in zip(recorded.cameras, robot.cameras, strict=True):
        notes.append(f"camera {theirs} is taken for {robot.name}'s {ours}")
    return robot, list(cameras)


def _slot(value: str | int, where: str) -> int:
    text = str(value).strip()
    if not text.isascii() or not text.isdigit() or int(text) >= ROBOT_SLOTS:
        raise ConfigError(f"{where}, slot: {value!r} is none of 0 to {ROBOT_SLOTS - 1}")
    return int(text)
