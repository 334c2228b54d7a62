"""What both layouts of HDF5 share: episodes are groups of files, their cameras those of the first one."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from polymath.data.files.frames import gather
from polymath.data.files.images import Fit, decode, fit
from polymath.data.files.paths import unread_subfolders
from polymath.data.files.quarantine import OnBad, refuse
from polymath.data.formats.hdf5_file import SUFFIXES, files_of, not_pictures, opened
from polymath.data.formats.memory import check_vectors
from polymath.data.robots.cameras import listed, with_cameras
from polymath.errors import DataError
from polymath.types import Embodiment, Role


class Hdf5Episodes(ABC):
    """What both layouts share: an episode is a group of a file; small fields are read at once, pictures on demand.

    `instruction` is that of every episode of a set that has no sentences of its own; `notes` say which cameras were
    left out (no colour pictures, not chosen, not in the first episode) and which subfolders were not read. Raises
    DataError naming file, group and field; with another `on_bad` such episodes are reported by the name of their group
    and left out.
    """

    embodiment: Embodiment

    def __init__(
        self,
        path: Path,
        instruction: str | None = None,
        image_size: int | None = None,
        on_bad: OnBad = refuse,
        cameras: str | Sequence[str] | None = None,
        image_fit: Fit = "stretch",
    ) -> None:
        self.path, self.name, self.notes = path, str(path), unread_subfolders(path, SUFFIXES)
        self._instruction, self._image_size, self._image_fit = instruction, image_size, image_fit
        self._chosen_cameras = None if cameras is None else listed(cameras)
        self._settled = False
        self._places: list[tuple[Path, str]] = []
        self._rows: list[tuple[str, np.ndarray, np.ndarray]] = []
        files = files_of(path)
        self._single = len(files) == 1
        self._stems = Counter(file.stem for file in files)
        self._recorded: set[str] = set()  # the first demonstration's cameras, taken or left out
        self._later: dict[str, str] = {}  # a camera that it does not have, and the first episode that does
        for file in files:
            try:
                with opened(file) as groups:
                    self._add_file(file, groups, on_bad)
            except DataError as error:
                on_bad(str(file), "", error)
        self.notes += tuple(
            f"camera {camera!r} is left out: {name} has it, but not the first episode; to take it, put the episodes "
            "that have it into a directory of their own"
            for camera, name in self._later.items()
        )
        if not self._places and on_bad is refuse:
            raise DataError(f"{path}: holds no episode; point to *.hdf5 files of robomimic or ALOHA")

    def __len__(self) -> int:
        return len(self._places)

    def episode_name(self, episode: int) -> str:
        return self._named(*self._places[episode])

    def instruction(self, episode: int) -> str:
        return self._rows[episode][0]

    def task(self, episode: int) -> str:
        return self._rows[episode][0]

    def states(self, episode: int) -> Float[np.ndarray, "T state_dim"]:
        return self._rows[episode][1]

    def actions(self, episode: int) -> Float[np.ndarray, "T A"]:
        return self._rows[episode][2]

    def frames(self, episode: int, steps: Sequence[int]) -> UInt8[np.ndarray, "n C height width 3"]:
        file, name = self._places[episode]
        cameras = self.embodiment.cameras
        with opened(file) as groups:
            data = [groups[self._image_key(name, camera)] for camera in cameras]

            def picture(i: int, camera: int) -> UInt8[np.ndarray, "height width 3"]:
                where = f"{file}: {name}, {cameras[camera]}, step {steps[i]}"
                return self._picture(data[camera][steps[i]], where)

            return gather(len(steps), len(data), picture, f"{file}: {name}")

    def camera_frames(self, episode: int, camera: str, steps: Sequence[int]) -> UInt8[np.ndarray, "n height width 3"]:
        """The pictures of one camera, whatever the size of the others."""
        file, name = self._places[episode]
        with opened(file) as groups:
            data = groups[self._image_key(name, camera)]
            return np.stack([self._picture(data[step], f"{file}: {name}, {camera}, step {step}") for step in steps])

    def _picture(self, row: Any, where: str) -> UInt8[np.ndarray, "height width 3"]:
        picture = row if row.ndim == 3 else decode(row.tobytes(), where)  # a padded JPEG: its end marks itself
        return picture if self._image_size is None else fit(picture, self._image_size, self._image_fit, where)

    def _add(self, groups: Any, file: Path, name: str, text: str, states: np.ndarray, actions: np.ndarray) -> None:
        where = f"{file}: {name}"
        text = (self._instruction or text).strip()
        if not text:
            raise DataError(
                f"{where}: has no instruction; give one for all, as in hdf5:PATH?instruction=…", "instruction"
            )
        check_vectors(states, self.embodiment.state_dim, f"{where}, state", self.embodiment)
        check_vectors(actions, self.embodiment.action_dim, f"{where}, actions", self.embodiment)
        if len(states) != len(actions) or not len(actions):
            raise DataError(f"{where}: {len(states)} states and {len(actions)} actions; drop the episode", "length")
        for camera in self.embodiment.cameras:
            self._check_pictures(groups, self._image_key(name, camera), f"{where}, {camera}", len(actions))
        self._places.append((file, name))
        self._rows.append((text, states, actions))

    def _check_pictures(self, groups: Any, key: str, where: str, steps: int) -> None:
        if key not in groups:
            raise DataError(f"{where}: is missing; drop the episode, or choose other cameras", "schema")
        fault = not_pictures(groups[key])
        if fault is not None:
            raise DataError(f"{where}: no colour pictures, {fault}; drop the episode", "picture")
        if len(groups[key]) != steps:
            raise DataError(f"{where}: {len(groups[key])} pictures of {steps} steps; drop the episode", "length")

    def _note_later(self, cameras: Iterable[str], name: str) -> None:
        """Remember the cameras of an episode that the first one does not have."""
        for camera in cameras:
            if camera not in self._recorded:
                self._later.setdefault(camera, name)

    def _settle_cameras(self, robot: Embodiment, usual: Sequence[str], pictures: dict[str, Any], where: str) -> None:
        """The robot with the cameras that were recorded, `usual` ones first; the chosen ones of them."""
        faults = {name: not_pictures(data) for name, data in pictures.items()}
        colour = [name for name, fault in faults.items() if fault is None]
        names = [name for name in usual if name in colour] + [name for name in colour if name not in usual]
        for name in self._chosen_cameras or ():
            if faults.get(name):
                raise DataError(f"{where}, {name}: no colour pictures, {faults[name]}; choose from {colour}", "picture")
        if not names:
            reasons = "; ".join(f"{name}: {fault}" for name, fault in faults.items())
            raise DataError(
                f"{where}: has no camera with colour pictures ({reasons or 'nothing is there'}); record it again",
                "schema",
            )
        self.notes += tuple(f"camera {name!r} is left out: {fault}" for name, fault in faults.items() if fault)
        conventions = robot.conventions
        if conventions is not None:
            conventions = replace(conventions, roles=tuple(map(_role, names)))
        robot = replace(robot, cameras=tuple(names), conventions=conventions)
        self.embodiment, _ = with_cameras(robot, self._chosen_cameras, self.name)
        if self._chosen_cameras is not None and len(self._chosen_cameras) < len(names):
            left = ", ".join(name for name in names if name not in self._chosen_cameras)
            self.notes += (f"cameras {left} are left out, as chosen",)
        self._recorded |= set(pictures)
        self._settled = True

    @abstractmethod
    def _named(self, file: Path, group: str) -> str: ...

    @abstractmethod
    def _add_file(self, file: Path, groups: Any, on_bad: OnBad) -> None: ...

    @abstractmethod
    def _image_key(self, name: str, camera: str) -> str: ...


def _role(camera: str) -> Role:
    if "wrist" in camera or "eye_in_hand" in camera:
        return "wrist"
    return "secondary" if "low" in camera else "primary"
