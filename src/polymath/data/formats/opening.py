"""Opening a data set by its name: `FORMAT:PLACE?option=value`, of which only PLACE is necessary.

episodes/                                a directory whose files say what it is
lerobot:episodes                         the same, said aloud
rlds:bridge_dataset?split=val            an option of the reader
hdf5:lift.hdf5?instruction=lift the cube
webdataset:gs://bucket/shards            a URL that fsspec opens
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polymath.data.files.paths import locate
from polymath.data.files.quarantine import OnBad, refuse
from polymath.data.formats import calvin, jsonl, parquet_pairs
from polymath.data.formats.lerobot.reader import LeRobotEpisodes
from polymath.data.formats.webdataset.reader import WebDatasetPairs
from polymath.data.interface import EpisodeSet, InterleavedSet, PairSet
from polymath.errors import ConfigError, DataError

DataSet = EpisodeSet | PairSet | InterleavedSet


@dataclass(frozen=True)
class Format:
    """`kind`: episodes, pairs, pointing or documents; `options`: what may stand behind the question mark."""

    name: str
    kind: str
    found_at: Callable[[Path], bool]
    open: Callable[..., Any]
    files: str
    options: tuple[str, ...] = ()


def _has(*patterns: str) -> Callable[[Path], bool]:
    return lambda path: any(next(iter(path.glob(pattern)), None) is not None for pattern in patterns)


def _has_suffix(suffix: str) -> Callable[[Path], bool]:
    return lambda path: path.suffix == suffix or (path.is_dir() and _has(f"*{suffix}")(path))


def _rlds(path: Path, **options: Any) -> EpisodeSet:
    from polymath.data.formats.rlds.reader import RldsEpisodes

    return RldsEpisodes(path, **options)


def _hdf5(path: Path, **options: Any) -> EpisodeSet:
    from polymath.data.formats.hdf5 import open_hdf5

    return open_hdf5(path, **options)


def _bridge(path: Path, **options: Any) -> EpisodeSet:
    from polymath.data.formats.bridge_raw import BridgeRawEpisodes

    return BridgeRawEpisodes(path, **options)


# Columns by name, several with commas between them; pictures=nearest for videos of a rate of their own.
LEROBOT_OPTIONS = ("cameras", "state", "action", "task", "pictures")
TRAJECTORIES = "**/traj_group*/traj*/policy_out.pkl"
FORMATS = (
    Format("lerobot", "episodes", _has("meta/info.json"), LeRobotEpisodes, "meta/info.json", LEROBOT_OPTIONS),
    Format("rlds", "episodes", _has("features.json", "*/features.json"), _rlds, "features.json", ("split",)),
    Format("calvin", "episodes", calvin.is_calvin, calvin.CalvinEpisodes, calvin.ANNOTATIONS, ("split",)),
    Format("hdf5", "episodes", _has_suffix(".hdf5"), _hdf5, "*.hdf5", ("instruction",)),
    Format("webdataset", "pairs", _has_suffix(".tar"), WebDatasetPairs, "*.tar"),
    Format("pointing", "pointing", lambda _: False, WebDatasetPairs, "*.tar"),  # their questions, see `Pointing`
    Format("jsonl", "documents", _has_suffix(".jsonl"), jsonl.JsonlDocuments, "*.jsonl"),
    Format("parquet", "pairs", parquet_pairs.has_pairs, parquet_pairs.ParquetPairs, "*.parquet"),
    Format("bridge", "episodes", _has(TRAJECTORIES), _bridge, "traj*/policy_out.pkl"),
)


@dataclass(frozen=True)
class Location:
    """Where a data set is, of which format, with which options of its reader."""

    format: Format
    path: Path
    options: dict[str, str]

    @property
    def kind(self) -> str:
        return self.format.kind

    def open(self, image_size: int | None = None, on_bad: OnBad = refuse) -> Any:
        """The reader. `image_size` fits the pictures of episodes as they are decoded."""
        sized = {"image_size": image_size} if self.kind == "episodes" else {}
        try:
            return self.format.open(self.path, on_bad=on_bad, **sized, **self.options)
        except ImportError as error:
            raise ConfigError(f"{self.path}: {self.format.name} needs {error.name}; install polymath-v[data]") from None


def parse(name: str | Path) -> Location:
    """Raises DataError for a place that holds no known format, ConfigError for an unknown format or option."""
    text = str(name)
    place, _, query = text.partition("?")
    options = dict(pair.partition("=")[::2] for pair in query.split("&")) if query else {}
    prefix, colon, rest = place.partition(":")
    named = next((f for f in FORMATS if colon and f.name == prefix), None)
    if colon and named is None and not rest.startswith("//") and not Path(place).exists():
        raise ConfigError(f"{text}: no format {prefix!r}; choose from {', '.join(f.name for f in FORMATS)}")
    path = locate(rest if named else place)
    if not path.exists():
        raise DataError(f"{path}: no such file or directory")
    found = named or next((f for f in FORMATS if f.found_at(path)), None)
    if found is None:
        known = ", ".join(f"{f.name} ({f.files})" for f in FORMATS)
        raise DataError(f"{path}: holds none of the known formats: {known}")
    for option in options:
        if option not in found.options:
            known = ", ".join(found.options) or "none"
            raise ConfigError(f"{text}: {found.name} has no option {option!r}, only: {known}")
    return Location(found, path, options)


def open_source(name: str | Path, image_size: int | None = None, on_bad: OnBad = refuse) -> Any:
    """The data set of that name; see the drawing above."""
    return parse(name).open(image_size, on_bad)
