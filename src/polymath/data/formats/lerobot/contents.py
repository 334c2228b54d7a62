"""Opening a LeRobotDataset: every file is looked at once, every episode is checked, what is good is kept."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from polymath.data.files import video
from polymath.data.files.quarantine import OnBad
from polymath.data.formats.lerobot.clips import PACE_TOLERANCE, ClipFrames, check_clip, check_rate, frames_of_rows
from polymath.data.formats.lerobot.episodes import Clip, EpisodeEntry, overlapping, read_episodes
from polymath.data.formats.lerobot.info import Info
from polymath.data.formats.lerobot.keys import Keys
from polymath.data.formats.lerobot.pictures import EpisodePictures
from polymath.data.formats.lerobot.rows import EpisodeRows, RowFile, Vectors
from polymath.data.formats.lerobot.tasks import Instructions, read_instructions
from polymath.errors import DataError
from polymath.types import Embodiment


class Contents:
    """What a data set is made of, gathered while it is opened.

    `entries`, `vectors`, `times` and `places` go side by side.
    """

    def __init__(self, root: Path, info: Info, keys: Keys, robot: Embodiment, nearest: bool, on_bad: OnBad) -> None:
        self._root, self._info, self._keys, self._robot = root, info, keys, robot
        self._nearest, self._on_bad = nearest, on_bad
        self._videos = tuple(key for key in keys.cameras.values() if info.features[key].dtype == "video")
        self._problems: dict[Path, DataError | None] = {}
        self._paces: list[float] = []
        self._cut = 0
        self._trimmed = 0
        self.entries: list[EpisodeEntry] = []
        self.vectors: list[Vectors] = []
        self.times: list[Float[np.ndarray, " T"]] = []
        self.places: list[EpisodePictures] = []

    def read(self) -> None:
        """Raises DataError if nothing can be read; what is wrong with one episode goes to `on_bad`."""
        instructions = read_instructions(self._root, self._info)
        listed = read_episodes(self._root, self._info, self._videos, self._on_bad)
        entries = listed.entries
        self._check_total("total_episodes", self._info.total_episodes, listed.rows)
        self._check_colours(entries)
        clashes = overlapping(entries, 0.25 / self._info.fps)
        by_file: dict[Path, list[EpisodeEntry]] = defaultdict(list)
        for entry in entries:
            by_file[entry.data].append(entry)
        for path, inside in by_file.items():
            try:
                file = RowFile(path, self._info, self._keys, self._robot)
            except DataError as error:
                for entry in inside:
                    self._on_bad(str(path), entry.name, error)
                continue
            self._read_file(file, inside, clashes, instructions)
            for index in file.unlisted(listed.numbers):
                message = f"{path}: episode {index} has rows, but no entry in meta/episodes; copy the whole set"
                self._on_bad(str(path), f"episode {index}", DataError(message, "schema"))
        if len(self.entries) == listed.rows:  # else the frames of bad episodes are missing from the count
            self._check_frames(sum(entry.length for entry in entries))

    def notes(self) -> list[str]:
        """What is unusual about the episodes that are kept."""
        notes = []
        if self._trimmed:
            notes.append(f"{self._trimmed} control steps were cut out of episodes after they were recorded")
        untimed = [place.name for place in self.places if not all(f.by_time for _, f in place.clips.values())]
        if untimed:
            notes.append(
                f"timestamps of {len(untimed)} episodes do not fit their videos ({untimed[0]} for one); they have a "
                "frame a row, and are read so"
            )
        pace = float(np.median(self._paces)) if self._paces else 1 / self._info.fps
        if abs(pace * self._info.fps - 1) > PACE_TOLERANCE:
            notes.append(f"rows are {pace:.4g} s apart, but info.json has fps {self._info.fps:g}")
        return notes

    def _check_total(self, name: str, total: int | None, there: int) -> None:
        """Report to `on_bad` where info.json and the list of episodes disagree, as after an incomplete copy."""
        if total is not None and total != there:
            file = self._info.file
            message = f"{file}, {name}: {total}, but meta/episodes has {there}; copy the whole set, or correct it"
            self._on_bad(str(file), name, DataError(message, "totals"))

    def _check_frames(self, there: int) -> None:
        """Rows cut out of episodes leave the total behind: their frame_index still counts them."""
        if self._info.total_frames == there + self._cut:
            self._trimmed = self._cut
        else:
            self._check_total("total_frames", self._info.total_frames, there)

    def _check_colours(self, entries: Sequence[EpisodeEntry]) -> None:
        """Raise DataError for a camera whose videos hold depth, going by the first that can be opened."""
        for key in self._videos:
            pixels = _first_pixel_format([entry.clips[key] for entry in entries])
            if pixels is not None and video.is_measurement(pixels):
                others = ", ".join(camera for camera, other in self._keys.cameras.items() if other != key) or "none"
                raise DataError(
                    f"{self._info.file}, features.{key}: its videos are {pixels}, depth rather than colour; leave it "
                    f"out with cameras=NAME,NAME. The others are {others}",
                    "picture",
                )

    def _read_file(
        self,
        file: RowFile,
        entries: Sequence[EpisodeEntry],
        clashes: dict[int, DataError],
        instructions: Instructions,
    ) -> None:
        base = file.first_set_row(entries)
        for entry in entries:
            try:
                if entry.index in clashes:
                    raise clashes[entry.index]
                first = file.first_row(entry, base)
                self._check_videos(entry)
                rows = file.read(entry, first, instructions)
                clips = {key: (clip, self._frames(entry, clip, rows)) for key, clip in entry.clips.items()}
            except DataError as error:
                self._on_bad(str(file.path), entry.name, error)
                continue
            self.entries.append(entry)
            self.vectors.append(rows.vectors)
            self.times.append(rows.times)
            self._cut += rows.cut
            self._paces += [] if rows.pace is None else [rows.pace]
            self.places.append(EpisodePictures(entry.name, file.pictures, first, clips))

    def _check_videos(self, entry: EpisodeEntry) -> None:
        """A video is looked at once; what is wrong with it is raised for every episode in it."""
        for clip in entry.clips.values():
            if clip.path not in self._problems:
                self._problems[clip.path] = None
                try:
                    video.timeline(clip.path)
                    if not self._nearest:
                        check_rate(self._info, clip)
                except DataError as error:
                    self._problems[clip.path] = error
            problem = self._problems[clip.path]
            if problem is not None:
                raise problem
            check_clip(clip, entry.name)

    def _frames(self, entry: EpisodeEntry, clip: Clip, rows: EpisodeRows) -> ClipFrames:
        return frames_of_rows(self._info, clip, rows, entry.name, self._nearest)


def _first_pixel_format(clips: Sequence[Clip]) -> str | None:
    for path in dict.fromkeys(clip.path for clip in clips[:8]):
        try:
            video.timeline(path)
            return video.pixel_format(path)
        except DataError:  # reported when its episodes are read
            continue
    return None
