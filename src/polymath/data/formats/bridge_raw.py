"""BridgeData V2 as it was recorded (Walke et al. 2023), before any conversion.

    bridgedata_raw/<institution>/<environment>/<task>/<NN>/<YYYY-MM-DD_HH-MM-SS>/raw/traj_group*/traj*/
      images0/im_0.jpg …     480 x 640; images1, … are further views, depth is left alone
      obs_dict.pkl           full_state: x, y, z, roll, pitch, yaw, opening of every picture
      policy_out.pkl         one action less than pictures, as arrays or as {"actions": array}
      lang.txt               one sentence a line; a line with "confidence" is about the others

Data of before 2021-07-23 has a latency of one step: its actions belong to the picture one later (rail-berkeley,
bridge_data_v2/data_processing/bridgedata_raw_to_numpy.py).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from polymath.data.files import safe_pickle
from polymath.data.files.cache import ByteCache
from polymath.data.files.frames import gather
from polymath.data.files.images import Fit, decode, fit
from polymath.data.files.quarantine import OnBad, refuse
from polymath.data.formats.memory import check_vectors
from polymath.data.robots.embodiments import WIDOWX_RAW
from polymath.errors import DataError
from polymath.types import Embodiment

LATENCY_UNTIL = datetime(2021, 7, 23)
DATE = re.compile(r"\d{4}-\d{2}-\d{2}_\d{2}-\d{2}-\d{2}")
CACHE_BYTES = 1 << 28


@dataclass(frozen=True)
class _Trajectory:
    path: Path
    pictures: tuple[Path, ...]
    states: Float[np.ndarray, "T 7"]
    actions: Float[np.ndarray, "T 7"]
    instruction: str


class BridgeRawEpisodes:
    """The trajectories below `path` that have the first view and a sentence, as `interface.EpisodeSet`.

    T is the number of actions; the picture after the last of them is not used. Raises DataError naming the file for
    counts that do not fit, pickles with foreign classes (refused, never run), missing sentences; with another `on_bad`
    such trajectories are reported and left out.
    """

    def __init__(
        self, path: Path, image_size: int | None = None, on_bad: OnBad = refuse, image_fit: Fit = "stretch"
    ) -> None:
        self.path, self.name, self._image_size, self._image_fit = path, str(path), image_size, image_fit
        self.embodiment: Embodiment = WIDOWX_RAW
        self._cache = ByteCache(CACHE_BYTES)
        self._trajectories: list[_Trajectory] = []
        for place in _places(path):
            try:
                self._trajectories.append(_read(place, self.embodiment))
            except DataError as error:
                on_bad(str(place), self._named(place), error)
        if not self._trajectories and on_bad is refuse:
            raise DataError(f"{path}: holds no trajectory; point to a directory above traj_group*/traj*")

    def __len__(self) -> int:
        return len(self._trajectories)

    def episode_name(self, episode: int) -> str:
        """The path of its folder below that of the set."""
        return self._named(self._trajectories[episode].path)

    def _named(self, place: Path) -> str:
        return place.relative_to(self.path).as_posix()

    def instruction(self, episode: int) -> str:
        return self._trajectories[episode].instruction

    def task(self, episode: int) -> str:
        """The name of the task's folder."""
        parts = self._trajectories[episode].path.relative_to(self.path).parts
        return next((parts[i - 2] for i, part in enumerate(parts) if DATE.fullmatch(part) and i >= 2), parts[0])

    def states(self, episode: int) -> Float[np.ndarray, "T state_dim"]:
        return self._trajectories[episode].states

    def actions(self, episode: int) -> Float[np.ndarray, "T A"]:
        return self._trajectories[episode].actions

    def frames(self, episode: int, steps: Sequence[int]) -> UInt8[np.ndarray, "n C height width 3"]:
        files = self._trajectories[episode].pictures

        def picture(i: int, camera: int) -> UInt8[np.ndarray, "height width 3"]:
            file = files[steps[i]]
            return self._cache.get(str(file), partial(self._picture, file), _bytes)

        return gather(len(steps), 1, picture, f"{self.name}: {self.episode_name(episode)}")

    def _picture(self, path: Path) -> UInt8[np.ndarray, "height width 3"]:
        try:
            picture = decode(path.read_bytes(), str(path))
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror}); copy the pictures too", "picture") from None
        return picture if self._image_size is None else fit(picture, self._image_size, self._image_fit)


def _places(path: Path) -> list[Path]:
    """Trajectories in order; those of the copies that are kept as lmdb are left alone."""
    files = path.glob("**/traj_group*/traj*/policy_out.pkl")
    return sorted((f.parent for f in files if "lmdb" not in str(f.relative_to(path))), key=_numerically)


def _read(place: Path, robot: Embodiment) -> _Trajectory:
    pictures = sorted(place.glob("images0/im_*.jpg"), key=_numerically)
    states = _stack(_load(place / "obs_dict.pkl"), "full_state", place / "obs_dict.pkl")
    commands = _load(place / "policy_out.pkl")
    if not isinstance(commands, list | tuple | np.ndarray):
        kind = type(commands).__name__
        raise DataError(f"{place}/policy_out.pkl: holds a {kind}, not a list of actions; drop it", "schema")
    actions = _stack({"actions": [_action(entry) for entry in commands]}, "actions", place / "policy_out.pkl")
    check_vectors(states, robot.state_dim, f"{place}/obs_dict.pkl, full_state", robot)
    check_vectors(actions, robot.action_dim, f"{place}/policy_out.pkl", robot)
    if not len(pictures) == len(states) == len(actions) + 1:
        raise DataError(
            f"{place}: {len(pictures)} pictures, {len(states)} states, {len(actions)} actions; there must be one "
            "action less than the others; copy or drop it",
            "length",
        )
    numbers = [file.stem.removeprefix("im_") for file in pictures]
    if numbers != [str(number) for number in range(len(numbers))]:
        raise DataError(f"{place}/images0: pictures are not numbered from im_0 without gaps; copy or drop it", "length")
    late = 1 if _recorded_at(place) < LATENCY_UNTIL else 0
    if len(actions) <= late:
        raise DataError(f"{place}: {len(actions)} actions; drop the trajectory", "length")
    steps = len(actions) - late
    return _Trajectory(place, tuple(pictures[late:][:steps]), states[late:][:steps], actions[:steps], _sentence(place))


def _sentence(place: Path) -> str:
    """The first label; DataError of kind "instruction" if there is none."""
    file = place / "lang.txt"
    try:
        lines = file.read_text("utf-8-sig").split("\n") if file.is_file() else []
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file}: not UTF-8 ({error.reason}); convert it or drop the trajectory", "instruction"
        ) from None
    labels = [line.strip() for line in lines if line.strip() and "confidence" not in line]
    if not labels:
        raise DataError(f"{file}: holds no sentence; label the trajectory or drop it", "instruction")
    return labels[0]


def _load(path: Path) -> Any:
    try:
        return safe_pickle.load(path.read_bytes(), str(path))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); copy the data set again", "truncated") from None


def _action(entry: Any) -> Any:
    return entry["actions"] if isinstance(entry, dict) and "actions" in entry else entry


def _stack(values: Any, name: str, path: Path) -> Float[np.ndarray, "T D"]:
    try:
        rows = [np.asarray(row, np.float32) for row in values[name]]
        return np.stack(rows)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}, {name}: not a list of equal vectors ({error!r}); drop the trajectory", "schema"
        ) from None


def _recorded_at(place: Path) -> datetime:
    named = next((part for part in place.parts if DATE.fullmatch(part)), None)
    try:
        return datetime.strptime(named, "%Y-%m-%d_%H-%M-%S") if named else datetime.max
    except ValueError:
        raise DataError(f"{place}: its folder {named} is no date; name it after the day of the recording") from None


def _numerically(path: Path) -> list[Any]:
    """im_2 before im_10."""
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in re.split(r"(\d+)", str(path))]


def _bytes(picture: np.ndarray) -> int:
    return picture.nbytes
