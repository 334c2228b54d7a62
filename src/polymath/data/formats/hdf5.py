"""Episodes in HDF5: robomimic (one file, a group a demonstration) and ALOHA (one file an episode).

robomimic    demo.hdf5     data/demo_0/{obs/…,actions}, data.attrs["env_args"] and, in LIBERO, ["problem_info"]
ALOHA        episode_0.hdf5 …     observations/{qpos,images/cam_high,…}, action; pictures raw or JPEG rows
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from polymath.data.files.images import Fit
from polymath.data.files.quarantine import OnBad, refuse
from polymath.data.formats.hdf5_episodes import Hdf5Episodes
from polymath.data.formats.hdf5_file import (
    child,
    colour_pictures,
    files_of,
    not_pictures,
    numerically,
    opened,
    problem_sentence,
    reading,
    sentence,
    vectors,
)
from polymath.data.robots.embodiments import ALOHA, LIBERO, ROBOMIMIC
from polymath.errors import DataError

ROBOMIMIC_STATE = ("robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos")
LIBERO_STATE = ("ee_pos", "ee_ori", "gripper_states")
KNOWN_CAMERAS = (*ROBOMIMIC.cameras, *LIBERO.cameras)


class RobomimicEpisodes(Hdf5Episodes):
    """robomimic, and LIBERO, which writes the same layout with other names: a robot of its own."""

    embodiment = ROBOMIMIC
    _state = ROBOMIMIC_STATE

    def _named(self, file: Path, group: str) -> str:
        return group if self._single else f"{file.name}/{group}"

    def _add_file(self, file: Path, groups: Any, on_bad: OnBad) -> None:
        data = child(groups, "data", str(file))
        text = problem_sentence(data, f"{file}: data")
        names = sorted(data if hasattr(data, "keys") else (), key=numerically)
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
                    self._note_later(colour_pictures(_cameras(observation)), self._named(file, name))
            except DataError as error:
                on_bad(str(file), self._named(file, name), error)

    def _settle(self, observation: Any, where: str) -> None:
        """Which of the two names its fields have, and which cameras were recorded."""
        is_libero = LIBERO_STATE[0] in observation
        self._state, robot = (LIBERO_STATE, LIBERO) if is_libero else (ROBOMIMIC_STATE, ROBOMIMIC)
        widths = [vectors(observation, key, where).shape[1] for key in self._state]
        conventions = robot.conventions
        assert conventions is not None
        if sum(widths) != robot.state_dim:
            names = tuple(f"{key} {i}" for key, n in zip(self._state, widths, strict=True) for i in range(n))
            conventions = replace(conventions, state_units=("as recorded",) * len(names))
            robot = replace(robot, state_names=names, conventions=conventions)
        arrays = _cameras(observation)
        self._recorded = set(arrays)
        usual = [name for name in KNOWN_CAMERAS if name in arrays and not_pictures(arrays[name]) is None]
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
        return file.name if self._stems[file.stem] > 1 else file.stem

    def _add_file(self, file: Path, groups: Any, on_bad: OnBad) -> None:
        where = str(file)
        try:
            with reading(where):
                observations = child(groups, "observations", where)
                images = child(observations, "images", where)
                pictures = dict(images.items()) if hasattr(images, "items") else {}
                if not self._settled:
                    self._settle_cameras(ALOHA, ALOHA.cameras, pictures, where)
                text = groups.attrs.get("language_instruction")
                text = sentence(groups.attrs.get("task") if text is None else text, where)
                states = vectors(observations, "qpos", where)
                self._add(groups, file, "/", text, states, vectors(groups, "action", where))
                self._note_later(colour_pictures(pictures), self._named(file, "/"))
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
    image_fit: Fit = "stretch",
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
            return RobomimicEpisodes(path, instruction, image_size, on_bad, cameras, image_fit)
        if is_aloha:
            return AlohaEpisodes(path, instruction, image_size, on_bad, cameras, image_fit)
    if damaged is not None:
        raise damaged
    raise DataError(f"{path}: neither robomimic's data/demo_0 nor ALOHA's observations and action are in it", "schema")


def _cameras(observation: Any) -> dict[str, Any]:
    """A robomimic demonstration's arrays of four axes, and those that are called as its cameras are."""
    arrays = {name: data for name, data in observation.items() if len(getattr(data, "shape", None) or ()) == 4}
    return arrays | {name: observation[name] for name in KNOWN_CAMERAS if name in observation}
