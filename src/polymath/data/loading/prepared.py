"""A prepared set to train from: its folders, what they hold, and what they were prepared for."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from polymath import config
from polymath.data.files.paths import is_local, locate, place_and_query
from polymath.data.loading.loader import Loader, Source
from polymath.data.loading.prepared_rows import PreparedRows
from polymath.data.robots.statistics import Statistics
from polymath.data.sequences.augment import Augmentation
from polymath.data.sequences.sequence import Layout
from polymath.errors import ConfigError, DataError
from polymath.types import Embodiment

SUMMARY = "prepared.json"


@dataclass(frozen=True)
class PreparedFolder:
    """One source of a prepared set. `kind`: pairs, pointing, documents or episodes."""

    path: Path
    kind: str
    records: int
    renderer: str | None

    def robot(self) -> tuple[Embodiment, Statistics]:
        """Of a folder of episodes: the robot that recorded them and the statistics that normalised them."""
        return (
            config.load(Embodiment, self.path / "embodiment.json"),
            config.load(Statistics, self.path / "statistics.json"),
        )


@dataclass(frozen=True)
class PreparedSet:
    """An opened prepared set, or one folder of it."""

    path: Path
    layout: Layout
    folders: tuple[PreparedFolder, ...]

    @property
    def tokenizer(self) -> Path:
        return self.path / "tokenizer.json"

    def weights(self, kinds: tuple[str, ...]) -> dict[PreparedFolder, float]:
        """The folders of those kinds and their shares, by their records."""
        chosen = [folder for folder in self.folders if folder.kind in kinds]
        total = sum(folder.records for folder in chosen)
        return {folder: folder.records / total for folder in chosen}


def is_prepared(name: str | Path) -> bool:
    """Whether the name (`prepared:PLACE`, or a place) is that of a prepared set or of a folder of one."""
    text = str(name)
    if text.startswith("prepared:"):
        return True
    path = locate(place_and_query(text)[0])
    return is_local(path) and any(os.path.isfile(place / SUMMARY) for place in (path, path.parent))


def open_set(name: str | Path) -> PreparedSet:
    """Raises DataError if it is not finished or has no record, ConfigError for a folder that it does not have."""
    path = Path(str(name).removeprefix("prepared:"))
    whole = (path / SUMMARY).is_file() or not (path.parent / SUMMARY).is_file()
    out = path if whole else path.parent
    summary = _summary(out)
    layout = config.from_dict(Layout, summary["layout"], str(out / SUMMARY))
    sources = summary["sources"]
    if not whole and path.name not in sources:
        raise ConfigError(f"{path}: {out} has no source {path.name!r}, only {', '.join(sources)}")
    folders = tuple(
        PreparedFolder(out / folder, facts["kind"], facts["records"], facts.get("renderer"))
        for folder, facts in sources.items()
        if facts["records"] and (whole or folder == path.name)
    )
    if not folders:
        raise DataError(f"{path}: holds no record; {out / 'card.html'} says why")
    return PreparedSet(out, layout, folders)


def check_layout(prepared: PreparedSet, kind: str, layout: Layout, user: str) -> None:
    """Raise ConfigError unless rows of `kind` packed for `prepared.layout` can be laid out in `layout`, that of `user`.

    Narrower states and actions are padded, as those of a narrow robot are; slots may be more.
    """
    has_steps = kind in ("episodes", "pointing")
    equal = ["length", "latents_per_image", "image_size", "image_fit"]
    equal += ["chunk_length", "window", "stride", "past_actions", "action_tokens"] if has_steps else []
    at_most = ["max_images", "max_control_steps", *(["action_dim", "state_dim"] if has_steps else [])]
    for name in (*equal, *at_most):
        have, need = getattr(prepared.layout, name), getattr(layout, name)
        if (have > need) if name in at_most else (have != need):
            raise ConfigError(
                f"{prepared.path}: was prepared for layout.{name} of {have}, but {user} has {need}; prepare it again "
                f"with --layout {name}={need}, or change the recipe, as --set layout.{name}={have}"
            )


def open_prepared(
    out: Path,
    batch_rows: int,
    seed: int,
    weights: Mapping[str, float] | None = None,
    augmentation: Augmentation | None = None,
) -> Loader:
    """Batches of a prepared set in the layout that it was packed for.

    `weights` by folder; left out, every folder counts by its records. Raises DataError if the set is not finished.
    """
    prepared = open_set(out)
    names = {folder.path.name: folder for folder in prepared.folders}
    unknown = set(weights or {}) - set(names)
    if unknown:
        raise ConfigError(f"{prepared.path}: has no source {sorted(unknown)[0]!r}, only {', '.join(names)}")
    by_records = prepared.weights(tuple(folder.kind for folder in prepared.folders))
    shares = {names[name]: share for name, share in weights.items()} if weights else by_records
    sources = [
        Source(PreparedRows(folder.path, prepared.layout, augmentation), share) for folder, share in shares.items()
    ]
    return Loader(sources, prepared.layout, batch_rows, seed)


def _summary(out: Path) -> dict:
    path = out / SUMMARY
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; `polymath data prepare` writes it last, run it to the end") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error}); name a folder of `polymath data prepare`") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: damaged ({error}); prepare the data set again", "schema") from None
