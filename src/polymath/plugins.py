"""What other packages add through entry points: formats, robots, field maps, benchmarks, policies, presets.

    [project.entry-points."polymath.formats"]
    csv = "my_package.csv_episodes:FORMAT"          the name a user types = module:object

A plug-in that is broken, of the wrong type, or has a name that is taken is an error once it is asked for by that
name, and a note otherwise: it never takes the others down with it.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from polymath.errors import ConfigError, PolymathError

T = TypeVar("T")
_log = logging.getLogger(__name__)


def entries(group: str) -> dict[str, EntryPoint]:
    """The entry points of a group by name, without loading one; of a name offered twice, the first."""
    return {name: offers[0] for name, offers in _offers(group).items()}


def load(group: str, name: str, kind: type[T]) -> T:
    """The object behind one entry point.

    Raises ConfigError naming distribution and entry point if there is none of that name, if two distributions offer
    it, if it cannot be imported, or if it is not an instance of `kind`.
    """
    offers = _offers(group).get(name, [])
    if not offers:
        raise ConfigError(f"{group}: no entry point {name!r}; installed are {', '.join(_offers(group)) or 'none'}")
    if len(offers) > 1:
        both = " and ".join(map(_described, offers))
        raise ConfigError(f"{group}: {name!r} is offered by {both}; uninstall one of them")
    try:
        value = offers[0].load()
    except (Exception, SystemExit) as error:  # a plug-in's module runs here, and can raise anything
        raise ConfigError(
            f"{_described(offers[0])} cannot be loaded ({described(error)}); repair or uninstall it"
        ) from error
    if not isinstance(value, kind):
        raise ConfigError(
            f"{_described(offers[0])} is a {type(value).__name__}, but {group} takes a {kind.__name__}; repair it"
        )
    return value


def find(group: str, name: str, kind: type[T], built_in: Mapping[str, T]) -> T | None:
    """What is called `name`, built in or added; None if nothing is.

    Raises ConfigError as `load` does, and if a plug-in has the name of a built-in.
    """
    added = entries(group)
    if name in built_in and name in added:
        raise ConfigError(f"{_described(added[name])} has the name of a built-in; rename it there, or uninstall it")
    if name in added:
        return load(group, name, kind)
    return built_in.get(name)


def every(group: str, kind: type[T], built_in: Mapping[str, T]) -> dict[str, T]:
    """The built-ins, then every plug-in that can be used; of the others the reason is logged as a warning."""
    values = dict(built_in)
    for name in entries(group):
        try:
            value = find(group, name, kind, built_in)
        except ConfigError as error:
            _log.warning("left out: %s", error)
            continue
        if value is not None:
            values[name] = value
    return values


def described(error: BaseException) -> str:
    """The kind and the text of what a plug-in raised, in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")


def called(group: str, name: str, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """What a plug-in's function returns.

    Raises ConfigError naming the entry point for whatever else than a PolymathError it raises.
    """
    try:
        return function(*arguments, **options)
    except PolymathError:
        raise
    except (Exception, SystemExit) as error:  # a plug-in's own code can raise anything
        offers = _offers(group).get(name, [])
        owner = _described(offers[0]) if offers else f"{group}: {name}"
        raise ConfigError(
            f"{owner} failed ({described(error)}); repair it, or check what it was given: POLYMATH_DEBUG=1 shows where"
        ) from error


def _offers(group: str) -> dict[str, list[EntryPoint]]:
    """A distribution that is found twice on the path counts once."""
    offers: dict[str, list[EntryPoint]] = defaultdict(list)
    for entry in entry_points(group=group):
        if entry not in offers[entry.name]:
            offers[entry.name].append(entry)
    return {name: sorted(offers[name], key=_described) for name in sorted(offers)}


def _described(entry: EntryPoint) -> str:
    distribution = f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "an unknown distribution"
    return f"{distribution}: entry point {entry.name} = {entry.value} of {entry.group}"
