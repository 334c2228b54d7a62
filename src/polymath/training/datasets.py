"""The data sets of a run: opened, their robot, and the mixture of a phase.

--data          raw pairs ─┐ packed on the fly
             raw episodes ─┤ (of any robots)     ┌ pairs     phase.pairs
                           ├─► streams of rows ──┼ pointing  phase.pointing     shares of the rows
   prepared OUT/00-pairs ──┤                     └ robot     phase.robot
   prepared OUT/01-robot ──┘ read from shards
"""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from polymath.data.files.images import Fit
from polymath.data.files.paths import place_and_query
from polymath.data.formats.opening import name_with, named_twice, open_source, parse
from polymath.data.interface import EpisodeSet
from polymath.data.loading.loader import Source
from polymath.data.loading.on_the_fly import OnTheFly
from polymath.data.loading.prepared import PreparedFolder, check_layout, is_prepared, open_set
from polymath.data.loading.prepared_rows import PreparedRows
from polymath.data.loading.shares import Share, split
from polymath.data.robots.checks import check_slots
from polymath.data.robots.relative import AS_RECORDED, ActionForm, check_absolute_names
from polymath.data.robots.statistics import Normalization
from polymath.data.sequences.documents import Documents, PairDocuments, PointingDocuments, WindowDocuments
from polymath.data.sequences.sequence import Layout
from polymath.data.sequences.transforms import NO_ABLATION, RobotTransform
from polymath.errors import ConfigError
from polymath.tokenizer import Tokenizer
from polymath.training.held_out import Record, record_of
from polymath.training.measurement import HeldOutWindows
from polymath.training.prepared_sets import check_prepared, driven_folder
from polymath.training.raw_sets import by_robot, open_raw, robots_of, transform_for
from polymath.training.recipe import Phase, Recipe
from polymath.training.robots import Robot, named
from polymath.training.run import DataRecord, Run
from polymath.types import Embodiment

RawLike = Path | str | EpisodeSet
KINDS = {"pairs": ("pairs", "documents"), "pointing": ("pointing",), "robot": ("episodes",)}


@dataclass(frozen=True)
class TrainingData:
    """What a run learns from: raw sets of episodes and of pairs, prepared sets, named as `--data` has it.

    `robot`: one raw set of episodes, or a tuple of several; each may also be an EpisodeSet, in memory or of a reader of
    your own. Each name may say how much the set counts (see `data.loading.shares`). Without a tokenizer, that of the
    run to start from or of the prepared sets is taken, or one is trained. `controls`: of several robots the one that
    the run is for, by its name, or of prepared sets by its folder; left out, a run of raw sets is for all their robots.
    """

    robot: RawLike | tuple[RawLike, ...] | None = None
    tokenizer: Path | None = None
    pairs: tuple[Path | str, ...] = ()
    prepared: tuple[Path | str, ...] = ()
    controls: str | None = None

    @property
    def raw_episodes(self) -> tuple[RawLike, ...]:
        """The raw sets of episodes."""
        if self.robot is None:
            return ()
        return self.robot if isinstance(self.robot, tuple) else (self.robot,)

    def folders(self) -> list[Path]:
        """The folders of the sets that are on this machine's disks."""
        names = [name for name in (*self.raw_episodes, *self.pairs, *self.prepared) if isinstance(name, str | Path)]
        places = [place_and_query(str(name))[0] for name in names]
        paths = [path for place in places for path in (place, place.partition(":")[2]) if path]
        return [Path(path) for path in paths if Path(path).is_dir()]


def in_slot(data: TrainingData, slot: int) -> TrainingData:
    """The data with its raw set of episodes under another control token, as `?slot=` behind its name says.

    Raises ConfigError where no raw set is named: a prepared one has the slot that it was prepared with.
    """
    if isinstance(data.robot, tuple):
        raise ConfigError(
            f"--slot {slot}: --data names {len(data.robot)} raw sets of episodes; write ?slot={slot} behind one of them"
        )
    if not isinstance(data.robot, str | Path):
        raise ConfigError(f"--slot {slot}: --data names no raw set of episodes; prepare a set with NAME?slot={slot}")
    return replace(data, robot=name_with(data.robot, {"slot": slot}))


def sort_data(sources: Sequence[str | EpisodeSet]) -> tuple[TrainingData, bool]:
    """Sort the names of `--data` and sets of episodes by their kind; True if there are pairs among them.

    Raises ConfigError unless there is a raw set of episodes, or a prepared set.
    """
    objects = [source for source in sources if not isinstance(source, str)]
    names = [source for source in sources if isinstance(source, str)]
    for source in objects:
        if not isinstance(getattr(source, "embodiment", None), Embodiment):
            raise ConfigError(f"data: a {type(source).__name__} is neither a name nor an EpisodeSet with an embodiment")
    prepared = tuple(name for name in names if is_prepared(split(name)[0]))
    _check_once([name for name in names if name not in prepared], prepared)
    kinds = {name: parse(split(name)[0]).kind for name in names if name not in prepared}
    robots: tuple[RawLike, ...] = (*objects, *(name for name, kind in kinds.items() if kind == "episodes"))
    if not (robots or prepared):
        raise ConfigError(
            f"--data {' '.join(names)}: a run is for a robot, but there are no episodes; add a set of them (lerobot, "
            "rlds, calvin, hdf5, bridge, or prepared), with --phases alignment too: the run records their robot"
        )
    for name, kind in kinds.items():
        if kind in ("documents", "pointing"):
            raise ConfigError(f"--data {name}: holds {kind}, not pairs; prepare them with `polymath data prepare`")
    pairs = tuple(name for name, kind in kinds.items() if kind == "pairs")
    shards = {folder.kind for name in prepared for folder in open_set(split(name)[0]).folders}
    raw = robots if len(robots) > 1 else next(iter(robots), None)
    return TrainingData(raw, None, pairs, prepared), bool(pairs or shards - {"episodes"})


class DataSets:
    """Raises ConfigError or DataError for sets that are missing or hold no robot to train for."""

    def __init__(
        self,
        data: TrainingData,
        image_size: int,
        normalization: Normalization = "quantiles",
        held_out: float = 0.0,
        seed: int = 0,
        image_fit: Fit = "stretch",
        form: ActionForm = AS_RECORDED,
    ) -> None:
        """`held_out`: the share of a raw set's episodes that is not trained on (`training.division`), by `seed`.

        `form`: in which the model is given the actions; its chunk_length may be set later, by `in_chunks`.
        """
        self._normalization, self._form = normalization, form
        self._names, self._pairs = data, [split(str(name)) for name in data.pairs]
        self.prepared = [(open_set(place), share) for place, share in (split(str(name)) for name in data.prepared)]
        self.raw = open_raw(data.raw_episodes, image_size, image_fit, held_out, seed)
        if data.controls is not None and len(self.raw) == 1:
            raise ConfigError(
                f"--controls {data.controls}: chooses among prepared sets, but the run is for the robot of "
                f"{self.raw[0].episodes.name}; leave one of them out"
            )

    def in_chunks(self, length: int) -> "DataSets":
        """The same sets for chunks of so many control steps, over which deltas of actions are counted."""
        other = copy.copy(self)
        other.__dict__.pop("robots", None)
        other._form = replace(self._form, chunk_length=length)
        return other

    @cached_property
    def embodiments(self) -> tuple[Embodiment, ...]:
        """The robots of the rows. Raises DataError for two in one slot or of one name, ConfigError for no choice."""
        folders, raw = self._episode_folders(), [(each.episodes.name, each.episodes.embodiment) for each in self.raw]
        check_slots([*raw, *((str(folder.path), folder.robot()[0]) for folder in folders)])
        if self.raw:
            return tuple(own[0].episodes.embodiment for own in by_robot(self.raw))
        return (driven_folder(folders, self._names.controls).robot()[0],)

    @property
    def driven(self) -> tuple[Robot, ...]:
        """The robots that the run will control: those of the raw sets, or the one that `controls` names.

        Raises as `robots` does, and ConfigError for a robot that there is not.
        """
        chosen = self._names.controls
        if chosen is None or not self.raw:
            return self.robots
        return (named(self.robots, chosen, f"--controls {chosen}"),)

    @cached_property
    def robots(self) -> tuple[Robot, ...]:
        """The robots that rows are made for, each with the statistics that normalise its numbers and no other's.

        Raises as `embodiments` does, DataError for a gripper outside [-1, 1] or actions that cannot be given in the
        run's form, ConfigError for a set that was prepared with another normalisation or form.
        """
        folders = self._episode_folders()
        check_absolute_names(self._form, [*self.embodiments, *(folder.robot()[0] for folder in folders)])
        for folder in folders:
            check_prepared(folder, self._normalization, self._form)
        if self.raw:
            return robots_of(self.raw, self._normalization, self._form)
        folder = driven_folder(folders, self._names.controls)
        return (Robot(*folder.robot(), (str(folder.path),), folder.renderer),)

    def record(self) -> DataRecord:
        """Where the data came from; the renderer of the first robot's, as each robot has its own."""
        names, sets = self._names, tuple(name for robot in self.driven for name in robot.sets)
        return DataRecord(tuple(map(str, names.pairs)), sets, self.driven[0].renderer, tuple(map(str, names.prepared)))

    def episode_record(self) -> Record:
        """Which raw episodes are trained on, and which are held out."""
        sets = tuple(record_of(split(each.name)[0], each.division) for each in self.raw)
        return Record(sets, complete=not self.prepared)

    def held_out_windows(self, run: Run, layout: Layout) -> list[HeldOutWindows]:
        """The windows of each set's held-out episodes, for rows of that layout."""
        transforms = [(each.held_out, self._transform(each.episodes.embodiment, run, layout)) for each in self.raw]
        return [HeldOutWindows(WindowDocuments(kept, each), each) for kept, each in transforms if kept is not None]

    def tokenizers(self) -> list[Path]:
        """The tokenizer.json of each prepared set."""
        return [prepared.tokenizer for prepared, _ in self.prepared]

    def check_tokenizer(self, ours: Tokenizer) -> None:
        """Raise ConfigError unless the prepared sets were made with this tokenizer."""
        for path in self.tokenizers():
            if not Tokenizer.load(path).same_ids(ours):
                raise ConfigError(
                    f"{path}: the set was prepared with another tokenizer than the run's; leave --tokenizer and "
                    "--start out, or prepare the set again with the run's"
                )

    @property
    def are_episodes_alone(self) -> bool:
        """Whether the run learns from raw sets of episodes and nothing else."""
        return bool(self.raw) and not self._pairs and not self.prepared

    def instructions(self, robot: Embodiment) -> Iterable[str]:
        """The instructions of that robot's raw episodes, the held-out ones included."""
        for each in self.raw:
            if each.episodes.embodiment == robot:
                yield from each.instructions()

    def texts(self) -> Iterable[str]:
        """The instructions of the raw episodes, then the captions of the raw pairs."""
        for each in self.raw:
            yield from each.instructions()
        for place, _ in self._pairs:
            pairs = open_source(place)
            yield from (pairs.text(i) for i in range(len(pairs)))

    def sources(self, run: Run, phase_name: str, layout: Layout) -> list[Source]:
        """The phase's mixture: the share of a kind of rows is split among its sets by their weights."""
        recipe, sources = run.recipe, []
        phase = recipe.phase(phase_name)
        if self.prepared and recipe.ablation != NO_ABLATION:
            raise ConfigError("ablation: prepared sets hold what is to be blanked; train on the raw sets")
        for kind, share in _shares(phase).items():
            of_kind = self._raw(kind, run, layout) + self._of_shards(kind, recipe, layout, phase_name)
            if not of_kind:
                raise ConfigError(
                    f"the {phase_name} phase trains on {kind} ({share:.0%} of its rows), but --data holds none; "
                    f"add a set of them, or leave them out with --set {phase_name}.{kind}=0"
                )
            total = sum(source.weight for source in of_kind)
            committed = phase.committed if kind == "robot" else 0
            sources += [
                replace(source, weight=share * source.weight / total, committed=committed) for source in of_kind
            ]
        return sources

    def _raw(self, kind: str, run: Run, layout: Layout) -> list[Source]:
        recipe = run.recipe
        if kind == "robot":
            transforms = [(each, self._transform(each.episodes.embodiment, run, layout)) for each in self.raw]
            return [
                _source(WindowDocuments(each.episodes, transform, recipe.augmentation), layout, each.share)
                for each, transform in transforms
            ]
        documents = PairDocuments if kind == "pairs" else PointingDocuments
        more = (layout, run.tokenizer, recipe.augmentation, recipe.ablation)
        return [_source(documents(open_source(place), *more), layout, share) for place, share in self._pairs]

    def _transform(self, robot: Embodiment, run: Run, layout: Layout) -> RobotTransform:
        return transform_for(robot, run, layout, () if self._names.controls is None else self.robots)

    def _of_shards(self, kind: str, recipe: Recipe, layout: Layout, phase_name: str) -> list[Source]:
        sources = []
        for prepared, share in self.prepared:
            for folder, weight in prepared.weights(KINDS[kind]).items():
                check_layout(prepared, folder.kind, layout, f"the {phase_name} phase of recipe {recipe.name!r}")
                rows = PreparedRows(folder.path, layout, recipe.augmentation)
                sources.append(Source(rows, share.weight * weight, share.loss_weight, share.loss_per))
        return sources

    def _episode_folders(self) -> list[PreparedFolder]:
        return [folder for prepared, _ in self.prepared for folder in prepared.folders if folder.kind == "episodes"]


def _check_once(raw: Sequence[str], prepared: Sequence[str]) -> None:
    """Raise ConfigError if two names are of one set, however they are spelt and whatever they count."""
    doubled = named_twice([split(name)[0] for name in raw])
    folders = [Path(split(name)[0].removeprefix("prepared:")).resolve() for name in prepared]
    doubled = doubled or next((name for i, name in enumerate(prepared) if folders[i] in folders[:i]), None)
    if doubled is not None:
        raise ConfigError(f"--data {doubled}: is named twice; name it once, and count it more with ?weight=2")


def _shares(phase: Phase) -> dict[str, float]:
    shares = {"pairs": phase.pairs, "pointing": phase.pointing, "robot": phase.robot}
    return {kind: share for kind, share in shares.items() if share}


def _source(documents: Documents, layout: Layout, share: Share) -> Source:
    return Source(OnTheFly(documents, layout), share.weight, share.loss_weight, share.loss_per)
