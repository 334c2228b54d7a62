"""The raw sets of episodes of a run, of one robot or of several, and their robots with the statistics of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from polymath import config
from polymath.data.files.images import Fit
from polymath.data.formats.fitted import FittedEpisodes
from polymath.data.formats.opening import open_source
from polymath.data.interface import EpisodeSet
from polymath.data.loading.shares import Share, split
from polymath.data.robots.checks import check_grippers
from polymath.data.robots.relative import ActionForm
from polymath.data.robots.statistics import Normalization, of_sets
from polymath.data.sequences.sequence import Layout
from polymath.data.sequences.transforms import RobotTransform
from polymath.errors import DataError
from polymath.training.division import Division, divide
from polymath.training.robots import Robot
from polymath.training.run import Run
from polymath.types import Embodiment

REAL = "real cameras"


@dataclass(frozen=True)
class RawSet:
    """`name` as `--data` has it, `division` what is trained on and what not, `share` how much the set counts."""

    name: str
    division: Division
    share: Share

    @property
    def episodes(self) -> EpisodeSet:
        """Those that are trained on."""
        return self.division.trained

    @property
    def held_out(self) -> EpisodeSet | None:
        """Those that are not."""
        return self.division.held_out

    @property
    def renderer(self) -> str | None:
        """The identity of the renderer of its pictures; None for real cameras."""
        return getattr(self.episodes, "recording", {}).get("renderer")

    def instructions(self) -> Iterator[str]:
        """The instructions of its episodes, the held-out ones included."""
        whole = self.division.whole
        yield from (whole.instruction(place) for place in range(len(whole)))


def open_raw(
    sources: Sequence[Path | str | EpisodeSet], image_size: int, image_fit: Fit, held_out: float, seed: int
) -> tuple[RawSet, ...]:
    """The sets of those names, or of a reader of your own, with pictures as large as the model's.

    `image_fit`: how they become squares. `held_out`: the share of the episodes of each that is not trained on
    (`training.division`), by `seed`.
    """
    names, sets, shares = [], [], []
    for source in sources:
        if isinstance(source, str | Path):
            place, share = split(str(source))
            names.append(str(source))
            sets.append(open_source(place, image_size=image_size, image_fit=image_fit))
            shares.append(share)
        else:
            names.append(source.name)
            sets.append(FittedEpisodes(source, image_size, image_fit))
            shares.append(Share())
    divisions = divide(sets, held_out, seed)
    return tuple(RawSet(*each) for each in zip(names, divisions, shares, strict=True))


def by_robot(sets: Sequence[RawSet]) -> list[list[RawSet]]:
    """The sets of each robot, in their order. Raises DataError for robots of one name that differ."""
    groups: dict[str, list[RawSet]] = {}
    for each in sets:
        first = groups.setdefault(each.episodes.embodiment.name, [each])[0]
        if first is not each:
            _check_same(first, each)
            groups[each.episodes.embodiment.name].append(each)
    return list(groups.values())


def robots_of(sets: Sequence[RawSet], normalization: Normalization, form: ActionForm) -> tuple[Robot, ...]:
    """The robots of the sets, in their order, each with the statistics of its own sets and of no other.

    Sets of the very same robot are one robot's, whose statistics are counted over all of them: at control time nothing
    tells them apart. Raises DataError for a gripper outside [-1, 1], for robots of one name that differ, and for one
    whose actions cannot be given to the model in that form.
    """
    robots = []
    for own in by_robot(sets):
        robot, episodes = own[0].episodes.embodiment, [each.episodes for each in own]
        statistics = of_sets(episodes, normalization, form)
        check_grippers(robot, statistics.action, " and ".join(each.name for each in episodes))
        robots.append(Robot(robot, statistics, tuple(each.name for each in own), _renderer(own)))
    return tuple(robots)


def transform_for(robot: Embodiment, run: Run, layout: Layout, beside: Sequence[Robot]) -> RobotTransform:
    """What makes rows of a raw set of that robot: with the run's statistics of it, whatever the set holds by now.

    `beside`: in a run for one of several robots, all of them, as the others' statistics are not the run's.
    """
    drives = [each.embodiment for each in run.robots]
    own = next((each for each in beside if each.embodiment == robot and robot not in drives), None)
    if own is None:
        return replace(run.of(robot.name if robot in drives else drives[0].name).transform, layout=layout)
    return replace(run.of(drives[0].name).transform, layout=layout, embodiment=robot, statistics=own.statistics)


def _check_same(one: RawSet, other: RawSet) -> None:
    """Raise DataError unless both sets are of the very same robot: a policy knows its robots by their names."""
    ours, theirs = one.episodes.embodiment, other.episodes.embodiment
    if ours == theirs:
        return
    field, here, there = config.first_difference(ours, theirs) or ("", None, None)
    raise DataError(
        f"{one.name} and {other.name}: both name their robot {ours.name!r}, but {field} is {here!r} in one and "
        f"{there!r} in the other; a policy knows its robots by name: open both with the same ?cameras= and ?slot=, or "
        "one of them as another robot (?robot=)",
        "robot",
    )


def _renderer(sets: Sequence[RawSet]) -> str | None:
    """That of the sets' pictures; of sets of different ones all of them, which is the same as no single one."""
    renderers = dict.fromkeys(each.renderer for each in sets)
    if len(renderers) == 1:
        return next(iter(renderers))
    return " and ".join(REAL if renderer is None else renderer for renderer in renderers)
