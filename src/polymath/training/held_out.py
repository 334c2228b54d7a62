"""Episodes of a raw set that a run does not train on: which they are, and the record of it in RUN/episodes.json.

An episode is held out by the hash of its name and the run's seed, so the choice depends on neither the order of the set
nor on the machine. The record has a hash of each episode's states and actions, by which an episode is known again
wherever the set lies and whatever it is called there.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from polymath import config
from polymath.data.files.paths import place_and_query
from polymath.data.formats.opening import name_with
from polymath.data.formats.selection import SelectedEpisodes
from polymath.data.interface import EpisodeSet, episode_name
from polymath.errors import ConfigError

FILE = "episodes.json"
SHOWN = 6  # names in a line for people
MEASUREMENTS = 20  # of a phase, where `every` is not set


@dataclass(frozen=True)
class Config:
    """What a run keeps from its raw sets of episodes to measure itself on; prepared sets are trained on whole.

    share     of the episodes of each set: at least one, where the set has two or more; 0 keeps none
    every     steps from one measurement to the next; null: a 20th of the phase's steps. The last step is measured too
    windows   control steps of each set that a measurement looks at, evenly spaced over the episodes kept
    """

    share: float = 0.05
    every: int | None = None
    windows: int = 256

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise ConfigError(f"share: {self.share}; give a share of the episodes from 0 (none) to below 1")
        if self.every is not None and self.every < 1:
            raise ConfigError(f"every: {self.every}; give at least 1 step, or null for a 20th of the phase's")
        if self.windows < 1:
            raise ConfigError(f"windows: {self.windows}; it must be 1 or more; share=0 switches measuring off")

    def interval(self, steps: int) -> int:
        """Steps from one measurement to the next in a phase of so many steps."""
        return self.every or max(1, round(steps / MEASUREMENTS))


NOTHING = Config(share=0.0)


@dataclass(frozen=True)
class SetRecord:
    """One raw set, named as `--data` has it: name of an episode -> its hash, for both parts."""

    source: str
    trained: dict[str, str]
    held_out: dict[str, str]


@dataclass(frozen=True)
class Record:
    """The raw episodes that the run's weights have been trained on, and those that were kept from it.

    earlier: hashes of what the run to start from was trained on. complete: no other episodes can have been trained on,
    as there are no prepared sets, and the run to start from has a complete record too.
    """

    sets: tuple[SetRecord, ...] = ()
    earlier: tuple[str, ...] = ()
    complete: bool = True

    def trained(self) -> set[str]:
        """Hashes of all episodes that the weights have been trained on."""
        return {value for each in self.sets for value in each.trained.values()} | set(self.earlier)

    def lines(self) -> Iterator[str]:
        """For people, a line for each set with held-out episodes; a warning where some of them were seen before."""
        for each in self.sets:
            count, total = len(each.held_out), len(each.held_out) + len(each.trained)
            if not count:
                continue
            yield f"{each.source}: {count} of {total} episodes held out (held_out.share): {shown(list(each.held_out))}"
            seen = [name for name, value in each.held_out.items() if value in self.earlier]
            if seen:
                yield f"{each.source}: the run to start from was trained on {shown(seen)}, which is held out here"


def read(run: Path) -> Record | None:
    """None for a run of an older version, which trained on all episodes and kept no record."""
    path = Path(run) / FILE
    return config.load(Record, path) if path.is_file() else None


def after(record: Record, earlier: Record | None) -> Record:
    """The record of a run that starts from the weights of one with the record `earlier`; None: it kept none."""
    if earlier is None:
        return replace(record, complete=False)
    trained = tuple(sorted(earlier.trained()))
    return replace(record, earlier=trained, complete=record.complete and earlier.complete)


def places(episodes: EpisodeSet, share: float, seed: int) -> list[int]:
    """The places of the held-out episodes, in the order of the set; none of a set of one episode."""
    count = len(episodes)
    if not share or count < 2:
        return []
    names = [episode_name(episodes, place) for place in range(count)]
    order = sorted(range(count), key=lambda place: (_rank(names[place], seed), place))
    return sorted(order[: min(max(1, round(share * count)), count - 1)])


def divide(episodes: EpisodeSet, share: float, seed: int) -> tuple[EpisodeSet, EpisodeSet | None]:
    """What is trained on, and what is held out; the set itself and None where that is nothing."""
    kept = places(episodes, share, seed)
    if not kept:
        return episodes, None
    rest = [place for place in range(len(episodes)) if place not in set(kept)]
    return _part(episodes, rest), _part(episodes, kept)


def record_of(source: str, trained: EpisodeSet, held_out: EpisodeSet | None) -> SetRecord:
    """Names and hashes of both parts of a set."""
    return SetRecord(source, _hashes(trained), {} if held_out is None else _hashes(held_out))


def episode_hash(episodes: EpisodeSet, place: int) -> str:
    """16 hexadecimal digits of an episode's states and actions, as float32 in the robot's units."""
    total = hashlib.blake2b(digest_size=8)
    for values in (episodes.states(place), episodes.actions(place)):
        array = np.ascontiguousarray(values, "<f4")
        total.update(repr(array.shape).encode())
        total.update(array.tobytes())
    return total.hexdigest()


def name_of(record: SetRecord) -> str:
    """How `--data` names the held-out episodes of a set, and no others."""
    place, query = place_and_query(record.source)
    kept = [option for option in query.split("&") if option and option.partition("=")[0] != "episodes"]
    chosen = [name.removeprefix("episode ") for name in record.held_out]
    names = chosen if all(name.isdigit() for name in chosen) else list(record.held_out)
    return name_with("?".join([place, *(["&".join(kept)] if kept else [])]), {"episodes": names})


def shown(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _hashes(episodes: EpisodeSet) -> dict[str, str]:
    return {episode_name(episodes, place): episode_hash(episodes, place) for place in range(len(episodes))}


def _rank(name: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed} {name}".encode(), digest_size=8).digest()


def _part(episodes: EpisodeSet, rows: Sequence[int]) -> EpisodeSet:
    robot = episodes.embodiment
    return SelectedEpisodes(episodes, rows, range(len(robot.cameras)), robot)
