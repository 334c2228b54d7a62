"""The robots of a run: what each one is, what normalises its numbers, which sets it learned from.

RUN/embodiment.json, statistics.json   of a run of one robot
RUN/robots.json                        of a run of several instead: the same of each, and its sets
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from polymath import config
from polymath.data.robots.statistics import Statistics
from polymath.errors import ConfigError, DataError, did_you_mean
from polymath.types import Embodiment

SEVERAL = "robots.json"
ONE = ("embodiment.json", "statistics.json")


@dataclass(frozen=True)
class Robot:
    """`sets`: the names of the sets of episodes; `renderer` of their pictures, None for real cameras."""

    embodiment: Embodiment
    statistics: Statistics
    sets: tuple[str, ...] = ()
    renderer: str | None = None

    @property
    def name(self) -> str:
        return self.embodiment.name


@dataclass(frozen=True)
class Robots:
    """What robots.json holds; the names differ. Raises DataError for less than two, and for one name twice."""

    robots: tuple[Robot, ...]

    def __post_init__(self) -> None:
        names = [robot.name for robot in self.robots]
        if len(names) < 2 or len(set(names)) < len(names):
            raise DataError(f"robots: {', '.join(names) or 'none'}; there must be two or more of different names")


def load(path: Path) -> tuple[Robot, ...]:
    """The robots of a run directory or an exported one. Raises ConfigError or DataError naming the file at fault."""
    file = path / SEVERAL
    if file.is_file():
        try:
            robots = config.load(Robots, file).robots
        except DataError as error:
            raise DataError(f"{file}, {error}") from None
        for robot in robots:
            robot.statistics.check(robot.embodiment, f"{file}, robot {robot.name}")
        return robots
    return (Robot(config.load(Embodiment, path / ONE[0]), config.load(Statistics, path / ONE[1])),)


def save(robots: Sequence[Robot], path: Path) -> None:
    """Write the robots of a run into its directory."""
    if len(robots) > 1:
        config.save(Robots(tuple(robots)), path / SEVERAL)
    else:
        config.save(robots[0].embodiment, path / ONE[0])
        config.save(robots[0].statistics, path / ONE[1])


def named(robots: Sequence[Robot], name: str, owner: str) -> Robot:
    """The robot of that name. Raises ConfigError, with the names there are, for another one."""
    names = [robot.name for robot in robots]
    if name not in names:
        raise ConfigError(f"{owner}: there is no robot {name!r}, only {', '.join(names)}; {did_you_mean(name, names)}")
    return robots[names.index(name)]


def only(robots: Sequence[Robot], owner: str) -> Robot:
    """The robot of a run of one. Raises ConfigError, with the names there are, where one must be chosen."""
    if len(robots) > 1:
        raise ambiguous([robot.name for robot in robots], owner)
    return robots[0]


def ambiguous(names: Sequence[str], owner: str) -> ConfigError:
    """The error for a run of several robots of which none was chosen."""
    return ConfigError(f"{owner}: drives several robots, {', '.join(names)}; choose one of them: embodiment={names[0]}")
