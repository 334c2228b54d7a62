"""Episodes of a raw set that a run does not train on: how many, and the record of which in RUN/episodes.json.

`training.division` chooses them. The record has a hash of each episode's states and actions, by which an episode is
known again wherever the set lies and whatever it is called there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from polymath import config
from polymath.data.files.paths import place_and_query
from polymath.data.formats.opening import name_with
from polymath.data.interface import episode_name
from polymath.errors import ConfigError
from polymath.training.division import Division

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
    """One raw set, named as `--data` has it: name of an episode -> its hash, for both parts.

    Of several episodes of one name the hashes of all, separated by spaces.
    """

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
        return {value for each in self.sets for value in hashes_in(each.trained)} | set(self.earlier)

    def lines(self) -> Iterator[str]:
        """For people, a line for each set with held-out episodes; a warning where some of them are trained on too."""
        ours = {value for each in self.sets for value in hashes_in(each.trained)}
        for each in self.sets:
            count = len(hashes_in(each.held_out))
            if not count:
                continue
            total = count + len(hashes_in(each.trained))
            yield f"{each.source}: {count} of {total} episodes held out (held_out.share): {shown(list(each.held_out))}"
            seen = [name for name, values in each.held_out.items() if set(values.split()) & set(self.earlier)]
            if seen:
                yield f"{each.source}: the run to start from was trained on {shown(seen)}, which is held out here"
            twins = [name for name, values in each.held_out.items() if set(values.split()) & ours]
            if twins:
                yield f"{each.source}: held out, but trained on in a copy: {shown(twins)}; drop it (data doctor)"


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


def record_of(source: str, division: Division) -> SetRecord:
    """Names and hashes of both parts of a set."""
    parts: tuple[dict[str, str], dict[str, str]] = ({}, {})
    for place, value in enumerate(division.hashes):
        part, name = parts[place in division.kept], episode_name(division.whole, place)
        part[name] = f"{part[name]} {value}" if name in part else value
    return SetRecord(source, *parts)


def hashes_in(part: Mapping[str, str]) -> list[str]:
    """The hashes of all episodes of a part."""
    return [value for values in part.values() for value in values.split()]


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
