"""CALVIN as it is on disk: one npz a frame, language annotations for some stretches of it (Mees et al. 2022).

    task_D_D/training/episode_0000123.npz              rgb_static, rgb_gripper, robot_obs, actions, rel_actions, …
    task_D_D/training/lang_annotations/auto_lang_ann.npy     pickled: sentences, tasks, (first, last) frame of each
    task_D_D/validation/…                               the same; task_ABC_D and task_ABCD_D likewise

An episode is an annotated stretch of frames, both ends included. Play without a sentence is left out.
"""

import io
import zipfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from polymath.data.files import safe_pickle
from polymath.data.files.cache import ByteCache
from polymath.data.files.frames import gather
from polymath.data.files.images import Fit, fit
from polymath.data.files.quarantine import OnBad, refuse
from polymath.data.formats.memory import check_vectors
from polymath.data.robots.cameras import listed, with_cameras
from polymath.data.robots.embodiments import CALVIN
from polymath.errors import ConfigError, DataError

ANNOTATIONS = "lang_annotations/auto_lang_ann.npy"
SMALL = ("robot_obs", "rel_actions")
CACHE_BYTES = 1 << 28


class _Stretch(NamedTuple):
    """Annotation `number`: frames `first` to `last`, both included."""

    number: int
    sentence: str
    task: str
    first: int
    last: int


class CalvinEpisodes:
    """The annotated stretches of one split, as `interface.EpisodeSet`; actions are rel_actions, state is robot_obs.

    `path` is a split (training, validation) or a task directory, of which `split` is taken (default: training). The
    static camera has 200 pixels, the gripper's 84: open it with an `image_size`, or with one of its `cameras`. Raises
    DataError naming file, annotation and remedy for an empty sentence, a reversed span or one whose frames are missing;
    with another `on_bad` such annotations are reported by their number and left out.
    """

    def __init__(
        self,
        path: Path,
        split: str | None = None,
        image_size: int | None = None,
        on_bad: OnBad = refuse,
        cameras: str | Sequence[str] | None = None,
        image_fit: Fit = "stretch",
    ) -> None:
        self.path = _split_of(path, split)
        self.name, self._image_size, self._image_fit = str(self.path), image_size, image_fit
        self.embodiment, _ = with_cameras(CALVIN, None if cameras is None else listed(cameras), self.name)
        self._cache = ByteCache(CACHE_BYTES)
        self._episodes = _annotations(self.path, on_bad)

    def __len__(self) -> int:
        return len(self._episodes)

    def episode_name(self, episode: int) -> str:
        return _named(self._episodes[episode].number)

    def instruction(self, episode: int) -> str:
        return self._episodes[episode].sentence

    def task(self, episode: int) -> str:
        return self._episodes[episode].task

    def states(self, episode: int) -> Float[np.ndarray, "T state_dim"]:
        return self._vectors(episode, "robot_obs", self.embodiment.state_dim)

    def actions(self, episode: int) -> Float[np.ndarray, "T A"]:
        return self._vectors(episode, "rel_actions", self.embodiment.action_dim)

    def frames(self, episode: int, steps: Sequence[int]) -> UInt8[np.ndarray, "n C height width 3"]:
        def picture(i: int, camera: int) -> UInt8[np.ndarray, "height width 3"]:
            return self._cached(episode, steps[i])[camera]

        return gather(len(steps), len(self.embodiment.cameras), picture, self.name)

    def camera_frames(self, episode: int, camera: str, steps: Sequence[int]) -> UInt8[np.ndarray, "n height width 3"]:
        """The pictures of one camera, whatever the size of the other."""
        place = self.embodiment.cameras.index(camera)
        return np.stack([self._cached(episode, step)[place] for step in steps])

    def _cached(self, episode: int, step: int) -> Sequence[UInt8[np.ndarray, "height width 3"]]:
        """The pictures of all cameras."""
        frame = self._episodes[episode].first + step
        return self._cache.get(frame, partial(self._pictures, frame), lambda p: sum(picture.nbytes for picture in p))

    def first_frame(self, episode: int) -> int:
        """The number of the episode's first frame, as in its file's name."""
        return self._episodes[episode].first

    def array(self, episode: int, step: int, name: str) -> np.ndarray:
        """Any other array of a frame, as it is stored. Raises DataError if the frame has none of that name."""
        return self._read(self._episodes[episode].first + step, (name,))[name]

    def _pictures(self, frame: int) -> list[UInt8[np.ndarray, "height width 3"]]:
        arrays = self._read(frame, self.embodiment.cameras)
        for name, picture in arrays.items():
            if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
                where = f"{self._file(frame)}, {name}"
                raise DataError(f"{where}: {picture.dtype} {picture.shape} is not uint8 (height, width, 3)", "picture")
        size, how = self._image_size, self._image_fit
        return [picture if size is None else fit(picture, size, how) for picture in arrays.values()]

    def _vectors(self, episode: int, name: str, width: int) -> Float[np.ndarray, "T D"]:
        rows = self._cache.get((episode, "small"), partial(self._small, episode), lambda rows: rows["robot_obs"].nbytes)
        stretch = self._episodes[episode]
        where = f"{self.name}: {_named(stretch.number)}, frames from {stretch.first}, {name}"
        check_vectors(rows[name], width, where, self.embodiment)
        return rows[name]

    def _small(self, episode: int) -> dict[str, Float[np.ndarray, "T D"]]:
        stretch = self._episodes[episode]
        frames = [self._read(frame, SMALL) for frame in range(stretch.first, stretch.last + 1)]
        rows = {}
        for name in SMALL:
            try:
                rows[name] = np.stack([np.atleast_1d(f[name]) for f in frames]).astype(np.float32)
            except (ValueError, TypeError) as error:
                where = f"{self.name}: {_named(stretch.number)}, frames from {stretch.first}, {name}"
                raise DataError(f"{where}: not equal vectors of numbers ({error}); drop it", "width") from None
        return rows

    def _file(self, frame: int) -> Path:
        return self.path / f"episode_{frame:07d}.npz"

    def _read(self, frame: int, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Only the named arrays: an npz is a zip, so the others are not read."""
        path = self._file(frame)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in names}
        except KeyError as error:
            raise DataError(f"{path}: has no array {error}; copy the data set again", "schema") from None
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(f"{path}: not a whole npz file ({error}); copy it again", "truncated") from None


def is_calvin(path: Path) -> bool:
    return any((place / ANNOTATIONS).is_file() for place in (path, path / "training", path / "validation"))


def _split_of(path: Path, split: str | None) -> Path:
    """Raises ConfigError where another split is chosen than the one that `path` is."""
    if not (path / ANNOTATIONS).is_file():
        return path / (split or "training")
    if split not in (None, path.name):
        raise ConfigError(f"{path}: is a split itself, not {split!r}; leave split out, or point to the directory above")
    return path


def _named(number: int) -> str:
    return f"annotation {number}"


def _annotations(split: Path, on_bad: OnBad) -> list[_Stretch]:
    path = split / ANNOTATIONS
    content = load_npy_dict(path)
    try:
        sentences, tasks = content["language"]["ann"], content["language"]["task"]
        spans = content["info"]["indx"]
        rows = list(zip(sentences, tasks, spans, strict=True))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: not as CALVIN writes it ({error!r}); copy the data set again", "schema") from None
    frames = {file.name for file in split.glob("episode_*.npz")}
    kept = []
    for number, (sentence, task, span) in enumerate(rows):
        try:
            kept.append(_stretch(number, sentence, task, span, frames, path))
        except DataError as error:
            on_bad(str(path), _named(number), error)
    return kept


def _stretch(number: int, sentence: Any, task: Any, span: Any, frames: set[str], path: Path) -> _Stretch:
    where = f"{path}: {_named(number)}"
    text = _text(sentence, where)
    if not text:
        raise DataError(f"{where}: its sentence is empty; drop it", "instruction")
    try:
        first, last = (int(end) for end in span)
        whole = all(int(end) == end for end in span)
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole or first < 0:
        raise DataError(f"{where}: its span {span!r} is not a first and a last frame; drop it", "schema")
    if last < first:
        raise DataError(f"{where}: its span {first} to {last} runs backwards; drop it, or swap the two", "length")
    for frame in range(first, min(last, first + len(frames)) + 1):  # beyond that many, one is missing for sure
        if f"episode_{frame:07d}.npz" not in frames:
            raise DataError(
                f"{where}: frame {frame} of its span {first} to {last} has no episode_{frame:07d}.npz; copy the "
                "frames too, or drop it",
                "length",
            )
    return _Stretch(number, text, _text(task, where), first, last)


def _text(value: Any, where: str) -> str:
    """Text, bytes, or the first of a list of them."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        value = value[0] if value else ""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        raise DataError(f"{where}: {value!r} is not a text; drop it", "instruction")
    return value.strip()


def load_npy_dict(path: Path) -> dict[str, Any]:
    """An .npy file that holds one pickled dict (a 0-d object array), read without running anything in it."""
    try:
        data = path.read_bytes()
        file = io.BytesIO(data)
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        read(file)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; copy the whole data set") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a whole npy file ({error}); copy it again", "truncated") from None
    array = safe_pickle.load(data[file.tell() :], str(path))
    value = array.item() if isinstance(array, np.ndarray) and array.ndim == 0 else array
    if not isinstance(value, dict):
        raise DataError(f"{path}: holds {type(value).__name__}, expected a dict; copy the data set again", "schema")
    return value
