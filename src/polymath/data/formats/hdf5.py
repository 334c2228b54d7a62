"""Episodes in HDF5: robomimic (one file, a group a demonstration) and ALOHA (one file an episode).

robomimic    demo.hdf5     data/demo_0/{obs/…,actions}, data.attrs["env_args"] and, in LIBERO, ["problem_info"]
ALOHA        episode_0.hdf5 …     observations/{qpos,images/cam_high,…}, action; pictures raw or JPEG rows
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from polymath.data.files.frames import gather
from polymath.data.files.images import decode, fit
from polymath.data.files.paths import readable
from polymath.data.files.quarantine import OnBad, refuse
from polymath.data.formats.memory import check_vectors
from polymath.data.robots.embodiments import ALOHA, ROBOMIMIC
from polymath.errors import ConfigError, DataError
from polymath.types import Embodiment, Role

ROBOMIMIC_STATE = ("robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos")
LIBERO_STATE = ("ee_pos", "ee_ori", "gripper_states")
LIBERO_CAMERAS = ("agentview_rgb", "eye_in_hand_rgb")


class Hdf5Episodes(ABC):
    """What both layouts share: an episode is a group of a file; small fields are read at once, pictures on demand.

    `instruction` is said for every episode of a set that has no sentences of its own. Raises DataError naming file,
    group and field; with another `on_bad` such episodes are reported and left out.
    """

    embodiment: Embodiment

    def __init__(
        self, path: Path, instruction: str | None = None, image_size: int | None = None, on_bad: OnBad = refuse
    ) -> None:
        self.path, self.name = path, str(path)
        self._said, self._image_size = instruction, image_size
        self._places: list[tuple[Path, str]] = []
        self._rows: list[tuple[str, np.ndarray, np.ndarray]] = []
        for file in sorted(path.glob("*.hdf5")) if path.is_dir() else [path]:
            try:
                with opened(file) as groups:
                    self._add_file(file, groups, on_bad)
            except DataError as error:
                on_bad(str(file), "", error)
        if not self._places and on_bad is refuse:
            raise DataError(f"{path}: holds no episode; point to *.hdf5 files of robomimic or ALOHA")

    def __len__(self) -> int:
        return len(self._places)

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

            return gather(len(steps), len(data), picture, self.name)

    def _picture(self, row: np.ndarray, where: str) -> UInt8[np.ndarray, "height width 3"]:
        picture = row if row.ndim == 3 else decode(row.tobytes(), where)  # a padded JPEG: its end marks itself
        if picture.dtype != np.uint8 or picture.shape[-1] != 3:
            raise DataError(f"{where}: {picture.dtype} {picture.shape} is not uint8 (height, width, 3)", "picture")
        return picture if self._image_size is None else fit(picture, self._image_size)

    def _add(
        self, groups: Any, file: Path, name: str, sentence: str | None, states: np.ndarray, actions: np.ndarray
    ) -> None:
        where = f"{file}: {name}"
        sentence = (self._said or sentence or "").strip()
        if not sentence:
            raise DataError(
                f"{where}: has no instruction; give one for all, as in hdf5:PATH?instruction=…", "instruction"
            )
        check_vectors(states, self.embodiment.state_dim, f"{where}, state", self.embodiment)
        check_vectors(actions, self.embodiment.action_dim, f"{where}, actions", self.embodiment)
        if len(states) != len(actions) or not len(actions):
            raise DataError(f"{where}: {len(states)} states and {len(actions)} actions; drop the episode", "length")
        for camera in self.embodiment.cameras:
            key = self._image_key(name, camera)
            pictures = len(groups[key]) if key in groups else 0
            if pictures != len(actions):
                raise DataError(
                    f"{where}, {camera}: {pictures} pictures of {len(actions)} steps; drop the episode", "length"
                )
        self._places.append((file, name))
        self._rows.append((sentence, states, actions))

    @abstractmethod
    def _add_file(self, file: Path, groups: Any, on_bad: OnBad) -> None: ...

    @abstractmethod
    def _image_key(self, name: str, camera: str) -> str: ...


class RobomimicEpisodes(Hdf5Episodes):
    """robomimic, and LIBERO, which writes the same layout with other names."""

    embodiment = ROBOMIMIC
    _state = ROBOMIMIC_STATE

    def _add_file(self, file: Path, groups: Any, on_bad: OnBad) -> None:
        demos = sorted(groups["data"], key=lambda name: int(name.rpartition("_")[2]))
        first = groups["data"][demos[0]]["obs"] if demos else {}
        if not self._places:
            self._settle(first)
        sentence = json.loads(groups["data"].attrs.get("problem_info", "{}")).get("language_instruction")
        for name in demos:
            try:
                demo = groups["data"][name]
                states = np.concatenate([_rows(demo["obs"], key, f"{file}: {name}") for key in self._state], axis=1)
                self._add(groups, file, name, sentence, states, _rows(demo, "actions", f"{file}: {name}"))
            except DataError as error:
                on_bad(str(file), name, error)

    def _settle(self, observation: Any) -> None:
        """Which of the two names its fields have, and which cameras were recorded."""
        self._state = LIBERO_STATE if LIBERO_STATE[0] in observation else ROBOMIMIC_STATE
        pictures = [key for key in observation if observation[key].ndim == 4]
        known = [name for name in (*ROBOMIMIC.cameras, *LIBERO_CAMERAS) if name in pictures]
        cameras = tuple(known or pictures)
        conventions = ROBOMIMIC.conventions
        assert conventions is not None
        roles = tuple(map(_role, cameras))
        widths = [observation[key].shape[1] for key in self._state if key in observation]
        names, units = ROBOMIMIC.state_names, conventions.state_units
        if sum(widths) != len(names):
            names = tuple(f"{key} {i}" for key, n in zip(self._state, widths, strict=False) for i in range(n))
            units = ("as recorded",) * len(names)
        self.embodiment = replace(
            ROBOMIMIC,
            cameras=cameras,
            state_names=names,
            conventions=replace(conventions, roles=roles, state_units=units),
        )

    def _image_key(self, name: str, camera: str) -> str:
        return f"data/{name}/obs/{camera}"


class AlohaEpisodes(Hdf5Episodes):
    """ALOHA and what was recorded with its scripts."""

    embodiment = ALOHA

    def _add_file(self, file: Path, groups: Any, on_bad: OnBad) -> None:
        if not self._places:
            self._settle(groups)
        sentence = groups.attrs.get("language_instruction") or groups.attrs.get("task")
        text = sentence.decode() if isinstance(sentence, bytes) else sentence
        where = str(file)
        states = _rows(groups["observations"], "qpos", where)
        self._add(groups, file, "/", text, states, _rows(groups, "action", where))

    def _settle(self, groups: Any) -> None:
        found = list(groups["observations/images"])
        cameras = tuple(c for c in ALOHA.cameras if c in found) + tuple(c for c in found if c not in ALOHA.cameras)
        conventions = ALOHA.conventions
        assert conventions is not None
        roles = tuple(map(_role, cameras))
        self.embodiment = replace(ALOHA, cameras=cameras, conventions=replace(conventions, roles=roles))

    def _image_key(self, name: str, camera: str) -> str:
        return f"observations/images/{camera}"


def open_hdf5(
    path: Path, instruction: str | None = None, image_size: int | None = None, on_bad: OnBad = refuse
) -> Hdf5Episodes:
    """The layout that the first file has. Raises DataError if it has neither."""
    files = sorted(path.glob("*.hdf5")) if path.is_dir() else [path]
    for file in files:
        with opened(file) as groups:
            if "data" in groups:
                return RobomimicEpisodes(path, instruction, image_size, on_bad)
            if "observations" in groups and "action" in groups:
                return AlohaEpisodes(path, instruction, image_size, on_bad)
    raise DataError(f"{path}: neither robomimic's data/demo_0 nor ALOHA's observations and action are in it", "schema")


@contextmanager
def opened(path: Path) -> Any:
    """The file's root group; what h5py raises while it is read becomes a DataError naming the file."""
    try:
        import h5py
    except ImportError:
        raise ConfigError(f"{path}: HDF5 needs h5py; install polymath-v[data]") from None
    try:
        with h5py.File(readable(path), "r") as file:
            yield file
    except (OSError, KeyError, RuntimeError) as error:
        kind = "schema" if isinstance(error, KeyError) else "truncated"
        raise DataError(f"{path}: not a whole HDF5 file of this layout ({error}); copy it again", kind) from None


def _role(camera: str) -> Role:
    if "wrist" in camera or "eye_in_hand" in camera:
        return "wrist"
    return "secondary" if "low" in camera else "primary"


def _rows(group: Any, key: str, where: str) -> Float[np.ndarray, "T D"]:
    if key not in group:
        raise DataError(f"{where}: has no {key}; record it again", "schema")
    values = np.asarray(group[key], np.float32)
    return values.reshape(len(values), -1)
