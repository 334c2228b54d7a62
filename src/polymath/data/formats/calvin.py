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
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from polymath.data.files import safe_pickle
from polymath.data.files.cache import ByteCache
from polymath.data.files.images import fit
from polymath.data.files.quarantine import OnBad, refuse
from polymath.data.formats.memory import check_vectors
from polymath.data.robots.embodiments import CALVIN
from polymath.errors import DataError
from polymath.types import Embodiment

ANNOTATIONS = "lang_annotations/auto_lang_ann.npy"
SMALL = ("robot_obs", "rel_actions")
CACHE_BYTES = 1 << 28


class CalvinEpisodes:
    """The annotated stretches of one split, as `interface.EpisodeSet`; actions are rel_actions, state is robot_obs.

    `path` is a split (training, validation) or a task directory, of which `split` is taken. The static camera has 200
    pixels, the gripper's 84: open it with an `image_size`. Raises DataError naming file, field and remedy.
    """

    def __init__(
        self, path: Path, split: str = "training", image_size: int | None = None, on_bad: OnBad = refuse
    ) -> None:
        self.path = path if (path / ANNOTATIONS).is_file() else path / split
        self.name, self._image_size = str(self.path), image_size
        self.embodiment: Embodiment = CALVIN
        self._cache = ByteCache(CACHE_BYTES)
        self._episodes = _annotations(self.path / ANNOTATIONS, on_bad)

    def __len__(self) -> int:
        return len(self._episodes)

    def instruction(self, episode: int) -> str:
        return self._episodes[episode][0]

    def task(self, episode: int) -> str:
        return self._episodes[episode][1]

    def states(self, episode: int) -> Float[np.ndarray, "T state_dim"]:
        return self._vectors(episode, "robot_obs", self.embodiment.state_dim)

    def actions(self, episode: int) -> Float[np.ndarray, "T A"]:
        return self._vectors(episode, "rel_actions", self.embodiment.action_dim)

    def frames(self, episode: int, steps: Sequence[int]) -> UInt8[np.ndarray, "n C height width 3"]:
        first = self._episodes[episode][2]
        found = [
            self._cache.get(first + s, partial(self._pictures, first + s), lambda p: 2 * p[0].nbytes) for s in steps
        ]
        if len({picture.shape for pictures in found for picture in pictures}) > 1:
            raise DataError(f"{self.name}: cameras of different sizes; open it with an image_size")
        return np.stack([np.stack(pictures) for pictures in found])

    def _pictures(self, frame: int) -> list[UInt8[np.ndarray, "height width 3"]]:
        arrays = self._read(frame, self.embodiment.cameras)
        for name, picture in arrays.items():
            if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
                where = f"{self._file(frame)}, {name}"
                raise DataError(f"{where}: {picture.dtype} {picture.shape} is not uint8 (height, width, 3)", "picture")
        return [p if self._image_size is None else fit(p, self._image_size) for p in arrays.values()]

    def _vectors(self, episode: int, name: str, width: int) -> Float[np.ndarray, "T D"]:
        rows = self._cache.get((episode, "small"), partial(self._small, episode), lambda rows: rows["robot_obs"].nbytes)
        where = f"{self.name}: frames from {self._episodes[episode][2]}, {name}"
        check_vectors(rows[name], width, where, self.embodiment)
        return rows[name]

    def _small(self, episode: int) -> dict[str, Float[np.ndarray, "T D"]]:
        _, _, first, last = self._episodes[episode]
        frames = [self._read(frame, SMALL) for frame in range(first, last + 1)]
        return {name: np.stack([np.atleast_1d(f[name]) for f in frames]).astype(np.float32) for name in SMALL}

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


def _annotations(path: Path, on_bad: OnBad) -> list[tuple[str, str, int, int]]:
    """(sentence, task, first frame, last frame) of each stretch."""
    found = load_npy_dict(path)
    try:
        sentences, tasks = found["language"]["ann"], found["language"]["task"]
        spans = found["info"]["indx"]
        rows = list(zip(sentences, tasks, spans, strict=True))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: not as CALVIN writes it ({error!r}); copy the data set again", "schema") from None
    kept = []
    for number, (sentence, task, span) in enumerate(rows):
        if not str(sentence).strip():
            on_bad(str(path), str(number), DataError(f"{path}: annotation {number} is empty; drop it", "instruction"))
            continue
        kept.append((str(sentence).strip(), str(task), int(span[0]), int(span[1])))
    return kept


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
