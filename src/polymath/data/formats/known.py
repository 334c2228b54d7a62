"""The formats by name: those of this package, and those that others add under the entry point `polymath.formats`."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polymath import plugins
from polymath.data.formats import calvin, jsonl, parquet_pairs
from polymath.data.formats.lerobot.reader import LeRobotEpisodes
from polymath.data.formats.webdataset.reader import WebDatasetPairs, has_shards
from polymath.data.interface import EpisodeSet
from polymath.errors import ConfigError, DataError

GROUP = "polymath.formats"
# What a reader of each kind has, see `data.interface`.
METHODS = {
    "episodes": ("name", "embodiment", "__len__", "instruction", "task", "states", "actions", "frames"),
    "pairs": ("name", "__len__", "text", "image"),
    "pointing": ("name", "__len__", "text", "image", "pointing"),
    "documents": ("name", "__len__", "document"),
}
KINDS = tuple(METHODS)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Format:
    """`name` stands before the colon, `kind` is one of KINDS, `files` tells people what is looked for.

    `found_at(path)` says whether a file or directory is of this format. `open(path, on_bad=…, **options)` gives the
    reader, with `image_size` too for episodes, and `image_fit` where it is to pad; `options` are the names that may
    stand behind the question mark. Those of `selection` come on top for episodes; a reader that lists `cameras` chooses
    them itself.
    """

    name: str
    kind: str
    found_at: Callable[[Path], bool]
    open: Callable[..., Any]
    files: str
    options: tuple[str, ...] = ()


def _has(*patterns: str) -> Callable[[Path], bool]:
    return lambda path: any(next(iter(path.glob(pattern)), None) is not None for pattern in patterns)


def _has_suffix(*suffixes: str) -> Callable[[Path], bool]:
    patterns = _has(*(f"*{suffix}" for suffix in suffixes))
    return lambda path: path.suffix in suffixes or (path.is_dir() and patterns(path))


def _rlds(path: Path, **options: Any) -> EpisodeSet:
    from polymath.data.formats.rlds.reader import open_rlds

    return open_rlds(path, **options)


def _hdf5(path: Path, **options: Any) -> EpisodeSet:
    from polymath.data.formats.hdf5 import open_hdf5

    return open_hdf5(path, **options)


def _bridge(path: Path, **options: Any) -> EpisodeSet:
    from polymath.data.formats.bridge_raw import BridgeRawEpisodes

    return BridgeRawEpisodes(path, **options)


# Columns by name, several with commas between them; pictures=nearest for videos of a rate of their own.
LEROBOT_OPTIONS = ("cameras", "state", "action", "task", "pictures")
RLDS_OPTIONS = ("split", "map", "cameras")
TRAJECTORIES = "**/traj_group*/traj*/policy_out.pkl"
FORMATS = (
    Format("lerobot", "episodes", _has("meta/info.json"), LeRobotEpisodes, "meta/info.json", LEROBOT_OPTIONS),
    Format("rlds", "episodes", _has("features.json", "*/features.json"), _rlds, "features.json", RLDS_OPTIONS),
    Format("calvin", "episodes", calvin.is_calvin, calvin.CalvinEpisodes, calvin.ANNOTATIONS, ("split", "cameras")),
    Format("hdf5", "episodes", _has_suffix(".hdf5", ".h5"), _hdf5, "*.hdf5", ("instruction", "cameras")),
    Format("webdataset", "pairs", has_shards, WebDatasetPairs, "*.tar"),
    Format("pointing", "pointing", lambda _: False, WebDatasetPairs, "*.tar"),  # their questions, see `Pointing`
    Format("jsonl", "documents", _has_suffix(".jsonl"), jsonl.JsonlDocuments, "*.jsonl"),
    Format("parquet", "pairs", parquet_pairs.has_pairs, parquet_pairs.ParquetPairs, "*.parquet"),
    Format("bridge", "episodes", _has(TRAJECTORIES), _bridge, "traj*/policy_out.pkl"),
)
BUILT_IN = {known.name: known for known in FORMATS}


def format_named(name: str) -> Format | None:
    """Raises ConfigError naming the distribution of a plug-in that cannot be used."""
    chosen = plugins.find(GROUP, name, Format, BUILT_IN)
    if chosen is not None and (chosen.name != name or chosen.kind not in KINDS):
        raise ConfigError(
            f"{GROUP}, {name}: the Format calls itself {chosen.name!r} of kind {chosen.kind!r}; it must have the "
            f"entry point's name and be one of {', '.join(KINDS)}"
        )
    return chosen


def format_at(path: Path) -> Format | None:
    """The first that recognises the files there; plug-ins are asked after all of ours.

    Raises DataError if a directory that is searched cannot be read, or vanishes meanwhile.
    """
    try:
        for known in FORMATS:
            if known.found_at(path):
                return known
    except OSError as error:
        raise DataError(
            f"{path}: cannot be searched for a known format ({error.filename or path}: {error.strerror or error}); "
            "name the format, as in hdf5:PLACE, or a directory that holds one data set alone"
        ) from None
    for name in plugins.entries(GROUP):
        try:
            added = format_named(name)
        except ConfigError as error:
            _log.warning("format left out: %s", error)
            continue
        if added is not None and _recognises(added, path):
            return added
    return None


def all_names() -> list[str]:
    return [*BUILT_IN, *(name for name in plugins.entries(GROUP) if name not in BUILT_IN)]


def described() -> str:
    """Each format with the files it is known by; of a plug-in the name alone."""
    return ", ".join(f"{name} ({BUILT_IN[name].files})" if name in BUILT_IN else name for name in all_names())


def _recognises(added: Format, path: Path) -> bool:
    try:
        return added.found_at(path)
    except Exception as error:  # a plug-in's own code
        _log.warning("format left out: %s could not look at %s (%s)", added.name, path, plugins.described(error))
        return False
