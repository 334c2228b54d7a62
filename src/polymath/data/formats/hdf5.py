"""Episodes in HDF5: robomimic (one file, a group a demonstration) and ALOHA (one file an episode).

robomimic    demo.hdf5     data/demo_0/{obs/…,actions}, data.attrs["env_args"] and, in LIBERO, ["problem_info"]
ALOHA        episode_0.hdf5 …     observations/{qpos,images/cam_high,…}, action; pictures raw or JPEG rows
"""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from polymath.data.files.frames import gather
from polymath.data.files.images import decode, fit
from polymath.data.files.quarantine import OnBad, refuse
from polymath.data.formats.hdf5_file import child, files_of, not_pictures, opened, reading, sentence, vectors
from polymath.data.formats.memory import check_vectors
from polymath.data.robots.cameras import listed, with_cameras
from polymath.data.robots.embodiments import ALOHA, ROBOMIMIC
from polymath.errors import DataError
from polymath.types import Embodiment, Role

ROBOMIMIC_STATE = ("robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos")
LIBERO_STATE = ("ee_pos", "ee_ori", "gripper_states")
LIBERO_CAMERAS = ("agentview_rgb", "eye_in_hand_rgb")


class Hdf5Episodes(ABC):
    """What both layouts share: an episode is a group of a file; small fields are read at once, pictures on demand.

    `instruction` is that of every episode of a set that has no sentences of its own; `notes` say which cameras are no
    colour pictures and were left out. Raises DataError naming file, group and field; with another `on_bad` such
    episodes are reported by the name of their group and left out.
    """

    embodiment: Embodiment

    def __init__(
        self,
        path: Path,
        instruction: str | None = None,
        image_size: int | None = None,
        on_bad: OnBad = refuse,
        cameras: str | Sequence[str] | None = None,
    ) -> None:
        self.path, self.name, self.notes = path, str(path), tuple[str, ...]()
        self._instruction, self._image_size = instruction, image_size
        self._chosen_cameras = None if cameras is None else listed(cameras)
        self._settled = False
        self._places: list[tuple[Path, str]] = []
        self._rows: list[tuple[str, np.ndarray, np.ndarray]] = []
        files = files_of(path)
        self._single = len(files) == 1
        for file in files:
            try:
                with opened(file) as groups:
                    self._add_file(file, groups, on_bad)
            except DataError as error:
                on_bad(str(file), "", error)
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

    def _picture(self, row: Any, where: str) -> UInt8[np.ndarray, "height width 3"]:
        picture = row if row.ndim == 3 else decode(row.tobytes(), where)  # a padded JPEG: its end marks itself
        return picture if self._image_size is None else fit(picture, self._image_size, where)

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
        self.notes = tuple(f"camera {name!r} is left out: {fault}" for name, fault in faults.items() if fault)
        conventions = robot.conventions
        if conventions is not None:
            conventions = replace(conventions, roles=tuple(map(_role, names)))
        robot = replace(robot, cameras=tuple(names), conventions=conventions)
        self.embodiment, _ = with_cameras(robot, self._chosen_cameras, self.name)
        if self._chosen_cameras is not None and len(self._chosen_cameras) < len(names):
            left = ", ".join(name for name in names if name not in self._chosen_cameras)
            self.notes += (f"cameras {left} are left out, as chosen",)
        self._settled = True

    @abstractmethod
    def _named(self, file: Path, group: str) -> str: ...

    @abstractmethod
    def _add_file(self, file: Path, groups: Any, on_bad: OnBad) -> None: ...

    @abstractmethod
    def _image_key(self, name: str, camera: str) -> str: ...


class RobomimicEpisodes(Hdf5Episodes):
    """robomimic, and LIBERO, which writes the same layout with other names."""

    embodiment = ROBOMIMIC
    _state = ROBOMIMIC_STATE

    def _named(self, file: Path, group: str) -> str:
        return group if self._single else f"{file.name}/{group}"

    def _add_file(self, file: Path, groups: Any, on_bad: OnBad) -> None:
        data = child(groups, "data", str(file))
        text = _problem_sentence(data, f"{file}: data")
        names = sorted(data if hasattr(data, "keys") else (), key=_numerically)
        if not names:
            raise DataError(f"{file}: data holds no demonstration; record it again", "schema")
        for name in names:
            where = f"{file}: {name}"
            try:
                with reading(where):
                    demo = data[name]
                    observation = child(demo, "obs", where)
                    if not self._settled:
                        self._settle(observation, where)
                    states = np.concatenate([vectors(observation, key, where) for key in self._state], axis=1)
                    own = sentence(demo.attrs.get("language_instruction"), where)
                    self._add(groups, file, name, own or text, states, vectors(demo, "actions", where))
            except DataError as error:
                on_bad(str(file), self._named(file, name), error)

    def _settle(self, observation: Any, where: str) -> None:
        """Which of the two names its fields have, and which cameras were recorded."""
        self._state = LIBERO_STATE if LIBERO_STATE[0] in observation else ROBOMIMIC_STATE
        widths = [vectors(observation, key, where).shape[1] for key in self._state]
        robot, conventions = ROBOMIMIC, ROBOMIMIC.conventions
        assert conventions is not None
        if sum(widths) != robot.state_dim:
            names = tuple(f"{key} {i}" for key, n in zip(self._state, widths, strict=True) for i in range(n))
            conventions = replace(conventions, state_units=("as recorded",) * len(names))
            robot = replace(robot, state_names=names, conventions=conventions)
        known = [*ROBOMIMIC.cameras, *LIBERO_CAMERAS]
        arrays = {name: data for name, data in observation.items() if len(getattr(data, "shape", None) or ()) == 4}
        arrays |= {name: observation[name] for name in known if name in observation}
        usual = [name for name in known if name in arrays and not_pictures(arrays[name]) is None]
        others = [name for name in arrays if name not in usual and not_pictures(arrays[name]) is None]
        if not usual or self._chosen_cameras is not None:
            others = []
        arrays = {name: data for name, data in arrays.items() if name not in others}
        self._settle_cameras(robot, usual, arrays, where)
        self.notes += tuple(
            f"camera {name!r} is left out beside {', '.join(usual)}; to take it, name the cameras: "
            f"cameras={','.join([*usual, *others])}"
            for name in others
        )

    def _image_key(self, name: str, camera: str) -> str:
        return f"data/{name}/obs/{camera}"


class AlohaEpisodes(Hdf5Episodes):
    """ALOHA and what was recorded with its scripts."""

    embodiment = ALOHA

    def _named(self, file: Path, group: str) -> str:
        return file.stem

    def _add_file(self, file: Path, groups: Any, on_bad: OnBad) -> None:
        where = str(file)
        try:
            with reading(where):
                observations = child(groups, "observations", where)
                if not self._settled:
                    images = child(observations, "images", where)
                    pictures = dict(images.items()) if hasattr(images, "items") else {}
                    self._settle_cameras(ALOHA, ALOHA.cameras, pictures, where)
                text = groups.attrs.get("language_instruction")
                text = sentence(groups.attrs.get("task") if text is None else text, where)
                states = vectors(observations, "qpos", where)
                self._add(groups, file, "/", text, states, vectors(groups, "action", where))
        except DataError as error:
            on_bad(str(file), self._named(file, "/"), error)

    def _image_key(self, name: str, camera: str) -> str:
        return f"observations/images/{camera}"


def open_hdf5(
    path: Path,
    instruction: str | None = None,
    image_size: int | None = None,
    on_bad: OnBad = refuse,
    cameras: str | Sequence[str] | None = None,
) -> Hdf5Episodes:
    """The layout that the first readable file has. Raises DataError if none has either."""
    damaged: DataError | None = None
    for file in files_of(path):
        try:
            with opened(file) as groups:
                is_robomimic, is_aloha = "data" in groups, "observations" in groups or "action" in groups
        except DataError as error:
            if on_bad is refuse:
                raise
            damaged = error  # the layout's reader reports it
            continue
        if is_robomimic:
            return RobomimicEpisodes(path, instruction, image_size, on_bad, cameras)
        if is_aloha:
            return AlohaEpisodes(path, instruction, image_size, on_bad, cameras)
    if damaged is not None:
        raise damaged
    raise DataError(f"{path}: neither robomimic's data/demo_0 nor ALOHA's observations and action are in it", "schema")


def _problem_sentence(data: Any, where: str) -> str:
    """LIBERO's sentence for the whole file."""
    text = sentence(getattr(data, "attrs", {}).get("problem_info"), f"{where}, problem_info")
    try:
        info = json.loads(text or "{}")
    except ValueError as error:
        raise DataError(f"{where}, problem_info: not valid JSON ({error}); copy the file again", "schema") from None
    if not isinstance(info, dict):
        raise DataError(f"{where}, problem_info: {text[:80]!r} is no JSON object; copy the file again", "schema")
    return sentence(info.get("language_instruction"), f"{where}, problem_info")


def _numerically(name: str) -> list[Any]:
    """demo_2 before demo_10; names without numbers in the order of the alphabet."""
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in re.split(r"(\d+)", name)]


def _role(camera: str) -> Role:
    if "wrist" in camera or "eye_in_hand" in camera:
        return "wrist"
    return "secondary" if "low" in camera else "primary"
