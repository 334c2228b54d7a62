"""Reading a LeRobotDataset v2.0, v2.1 or v3.0 with random access; `layout` and `episodes` show the files.

States, actions and instructions are read and checked when the set is opened; pictures are read when asked for, a
Parquet row group, a clip or a frame at a time, and kept in a cache of bounded size. Every method is thread-safe.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from polymath.data.files.images import Fit
from polymath.data.files.paths import locate
from polymath.data.files.quarantine import OnBad, refuse
from polymath.data.formats.lerobot.contents import Contents
from polymath.data.formats.lerobot.info import Info, read_info, read_json
from polymath.data.formats.lerobot.keys import Keys, choose_keys
from polymath.data.formats.lerobot.pictures import Pictures
from polymath.data.formats.lerobot.robot import read_embodiment
from polymath.errors import ConfigError, DataError
from polymath.types import Embodiment, Episode

CACHE_BYTES = 1 << 30
PICTURES = ("exact", "nearest")


class LeRobotEpisodes:
    """The episodes of one directory, as `interface.EpisodeSet`.

    The embodiment is meta/embodiment.json, or else derived from info.json (no gripper dimension is assumed then).
    `recording` is meta/recording.json, `notes` what was left out or read in an unusual way.

    `cameras`, `state`, `action` and `task` name columns where they are not the usual ones (see `keys`); several may be
    given as "a,b". With `image_size`, pictures are fitted to that square as they are decoded (`image_fit`: how): the
    cache then holds many more of them, and cameras of different sizes can stand side by side. `pictures="nearest"`
    accepts videos whose rate is no whole multiple of the rows' rate.

    Raises DataError naming file, field and remedy for whatever is missing, truncated, of another width, not finite,
    not in order, without an instruction or without a picture; with another `on_bad` such episodes are reported to it
    by the set's own number and left out.

    Videos are decoded an episode at a time while all pictures of the set fit into the cache, else frame by frame.
    """

    def __init__(
        self,
        path: Path,
        image_size: int | None = None,
        cache_bytes: int = CACHE_BYTES,
        on_bad: OnBad = refuse,
        cameras: str | Sequence[str] | None = None,
        state: str | Sequence[str] | None = None,
        action: str | Sequence[str] | None = None,
        task: str | None = None,
        pictures: str = "exact",
        image_fit: Fit = "stretch",
    ) -> None:
        if pictures not in PICTURES:
            raise ConfigError(f"{path}, pictures: {pictures!r} is none of {', '.join(PICTURES)}")
        self.path, self.name = locate(path), str(path)
        info = read_info(self.path)
        keys = choose_keys(info, cameras, state, action, task)
        self.fps: float = info.fps
        self.embodiment: Embodiment
        self.embodiment, self._keys = read_embodiment(self.path, info, keys)
        recording = self.path / "meta" / "recording.json"
        self.recording: dict[str, Any] = read_json(recording) if recording.is_file() else {}
        contents = Contents(self.path, info, self._keys, self.embodiment, pictures == "nearest", on_bad)
        contents.read()
        self._entries, self._vectors, self._places = contents.entries, contents.vectors, contents.places
        self._times = contents.times
        self.notes = (*keys.notes, *contents.notes())
        frames = sum(entry.length for entry in self._entries)
        fits = frames * _picture_bytes(info, self._keys, image_size) <= cache_bytes
        self._pictures = Pictures(image_size, image_fit, cache_bytes, whole_clips=fits)

    def __len__(self) -> int:
        return len(self._entries)

    def episode_name(self, episode: int) -> str:
        """By the set's own episode_index, which is no position once episodes are missing or left out."""
        return self._entries[episode].name

    def instruction(self, episode: int) -> str:
        return self._vectors[episode].instruction

    def task(self, episode: int) -> str:
        """The recorder's name of the task; the instruction where there is none."""
        return self._entries[episode].task or self.instruction(episode)

    def metadata(self, episode: int) -> dict[str, Any]:
        """What the recorder noted of the episode. Raises DataError if that is no JSON object."""
        entry = self._entries[episode]
        try:
            value = json.loads(entry.metadata or "{}")
        except (ValueError, RecursionError) as error:
            raise DataError(f"{entry.file}: {entry.name}, polymath/metadata: not valid JSON ({error})") from None
        if not isinstance(value, dict):
            raise DataError(f"{entry.file}: {entry.name}, polymath/metadata: {value!r} is no JSON object")
        return value

    def states(self, episode: int) -> Float[np.ndarray, "T state_dim"]:
        return self._vectors[episode].states

    def actions(self, episode: int) -> Float[np.ndarray, "T A"]:
        return self._vectors[episode].actions

    def times(self, episode: int) -> Float[np.ndarray, " T"]:
        """Seconds of each control step as recorded, increasing."""
        return self._times[episode]

    def frames(self, episode: int, steps: Sequence[int]) -> UInt8[np.ndarray, "n C height width 3"]:
        """The pictures of the given control steps, cameras in the order of the embodiment."""
        pictures = [self.camera_frames(episode, camera, steps) for camera in self._keys.cameras]
        sizes = {picture.shape for picture in pictures}
        if len(sizes) > 1:
            raise DataError(f"{self.name}: cameras of different sizes {sorted(sizes)}; open it with an image_size")
        return np.stack(pictures, axis=1)

    def camera_frames(self, episode: int, camera: str, steps: Sequence[int]) -> UInt8[np.ndarray, "n height width 3"]:
        """The pictures of one camera, whatever the size of the others."""
        return self._pictures.read(self._places[episode], self._keys.cameras[camera], steps)

    def episode(self, index: int) -> Episode:
        """A whole episode in memory."""
        frames = self.frames(index, range(len(self.actions(index))))
        return Episode(
            images={camera: frames[:, c] for c, camera in enumerate(self.embodiment.cameras)},
            states=self.states(index),
            actions=self.actions(index),
            instruction=self.instruction(index),
            task=self.task(index),
            embodiment=self.embodiment.name,
            metadata=self.metadata(index),
        )


def _picture_bytes(info: Info, keys: Keys, image_size: int | None) -> int:
    """Size of the pictures of one control step, decoded and fitted."""
    if image_size:
        return 3 * image_size**2 * len(keys.cameras)
    return sum(math.prod(info.features[key].shape or (0,)) for key in keys.cameras.values())
