"""Opening a data set by its name: `FORMAT:PLACE?option=value&option=value`, of which only PLACE is necessary.

episodes/                                     a directory whose files say what it is
lerobot:episodes                              the same with the format named
rlds:bridge_dataset?split=val                 an option of the reader
hdf5:lift.hdf5?instruction=lift the cube
lerobot:episodes?episodes=0-99&slot=3         options of every set of episodes, see `selection`
webdataset:gs://bucket/shards                 a URL that fsspec opens
"""

import inspect
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from polymath import plugins
from polymath.data.files.images import Fit
from polymath.data.files.paths import is_local, locate, place_and_query
from polymath.data.files.quarantine import OnBad, refuse
from polymath.data.formats.known import BUILT_IN, GROUP, METHODS, Format, all_names, described, format_at, format_named
from polymath.data.formats.selection import EVERYTHING, OPTIONS, Selection, apply, watched
from polymath.errors import ConfigError, DataError
from polymath.types import Embodiment

__all__ = ["Format", "Location", "name_with", "named_twice", "open_source", "parse"]

AND, AND_IN_A_VALUE = "&", "%26"


@dataclass(frozen=True)
class Location:
    """Where a data set is, of which format, with which options: `options` of its reader, `selection` of all."""

    format: Format
    path: Path
    options: dict[str, str]
    selection: Selection = EVERYTHING

    @property
    def kind(self) -> str:
        return self.format.kind

    def open(self, image_size: int | None = None, on_bad: OnBad = refuse, image_fit: Fit = "stretch") -> Any:
        """The reader. `image_size` fits the pictures of episodes as they are decoded, `image_fit` says how."""
        sized: dict[str, Any] = {"image_size": image_size} if self.kind == "episodes" else {}
        if sized and image_fit != "stretch":
            self._check_fits(image_fit)
            sized["image_fit"] = image_fit
        choice, on_bad = watched(self.selection, str(self.path), on_bad)
        source = self._opened(on_bad=on_bad, **sized, **self.options)
        return apply(source, self.selection, choice) if self.selection else source

    def _check_fits(self, image_fit: Fit) -> None:
        """Raise ConfigError for a format of another package whose reader can only stretch."""
        if self.format.name in BUILT_IN:
            return
        parameters = inspect.signature(self.format.open).parameters.values()
        if not any(each.name == "image_fit" or each.kind is each.VAR_KEYWORD for each in parameters):
            raise ConfigError(
                f"{self.path}: layout.image_fit={image_fit}, but the reader of format {self.format.name} takes no "
                "image_fit; add it there (polymath.data.files.images.fit), or set layout.image_fit=stretch"
            )

    def _opened(self, **options: Any) -> Any:
        name = self.format.name
        if name not in BUILT_IN:
            source = plugins.called(GROUP, name, self.format.open, self.path, **options)
            lacking = [method for method in METHODS[self.kind] if not hasattr(source, method)]
            if lacking:
                raise ConfigError(
                    f"format {name}: its reader, a {type(source).__name__}, has no {', '.join(lacking)}; "
                    f"{self.kind} need {', '.join(METHODS[self.kind])}"
                )
            return source
        try:
            return self.format.open(self.path, **options)
        except ImportError as error:
            raise ConfigError(f"{self.path}: {name} needs {error.name}; install polymath-v[data]") from None


def parse(name: str | Path) -> Location:
    """Raises DataError for a place that holds no known format, ConfigError for an unknown format or option."""
    text = str(name)
    place, query = place_and_query(text)
    prefix, colon, rest = place.partition(":")
    is_url = rest.startswith("//")
    named = format_named(prefix) if colon and not is_url else None
    if colon and named is None and not is_url and not os.path.exists(place):
        raise ConfigError(f"{text}: no format {prefix!r}; choose from {', '.join(all_names())}")
    path = locate(rest if named else place)
    try:
        is_there = path.exists()
    except OSError as error:  # a name that is too long, a directory above it that cannot be entered
        raise DataError(f"{path}: cannot be opened ({error.strerror or error}); correct the path") from None
    if not is_there:
        raise DataError(f"{path}: no such file or directory")
    chosen = named or format_at(path)
    if chosen is None:
        raise DataError(
            f"{path}: holds none of the known formats: {described()}; name the format, as in hdf5:PLACE, or add a "
            "Format under the entry point 'polymath.formats' of a package"
        )
    options = _options(text, query, chosen)
    own = {option: value for option, value in options.items() if option in chosen.options}
    return Location(
        chosen, path, own, Selection(**{option: value for option, value in options.items() if option not in own})
    )


def named_twice(names: Sequence[str]) -> str | None:
    """The first name of a data set that an earlier one names too, be it spelt otherwise (`./pairs`, `parquet:pairs`).

    The same files with other options, as another split or other episodes, are another set.
    """
    locations: list[Location] = []
    for i, name in enumerate(names):
        if name in names[:i]:
            return name
        location = parse(name)
        if is_local(location.path):
            location = replace(location, path=location.path.resolve())
        if location in locations:
            return name
        locations.append(location)
    return None


def _options(text: str, query: str, chosen: Format) -> dict[str, str]:
    """What stands behind the question mark. Raises ConfigError for an option that is unknown, empty or there twice."""
    allowed = dict.fromkeys((*chosen.options, *(OPTIONS if chosen.kind == "episodes" else ())))
    options: dict[str, str] = {}
    for pair in query.split("&") if query else ():
        option, equals, value = pair.partition("=")
        if option not in allowed:
            hint = "" if equals else f"; a {AND} within a value is written {AND_IN_A_VALUE}"
            there = ", ".join(allowed) or "none"
            raise ConfigError(f"{text}: {chosen.name} has no option {option!r}, only: {there}{hint}")
        if not value.strip() or option in options:
            fault = "twice" if option in options else "without a value"
            raise ConfigError(f"{text}: option {option!r} stands there {fault}; write it as {option}=VALUE, once")
        options[option] = value.replace(AND_IN_A_VALUE, AND)
    return options


def name_with(name: str | Path, options: Mapping[str, Any]) -> str:
    """The name with these options behind its place; of lists the elements, what is None is left out."""
    text = str(name)
    texts = {
        key: ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        for key, value in options.items()
        if value is not None
    }
    pairs = [f"{key}={value.replace(AND, AND_IN_A_VALUE)}" for key, value in texts.items()]
    if not pairs:
        return text
    place, query = place_and_query(text)
    return f"{place}?{'&'.join([query, *pairs] if query else pairs)}"


def open_source(
    name: str | Path,
    image_size: int | None = None,
    on_bad: OnBad = refuse,
    *,
    episodes: str | Sequence[int | str] | None = None,
    cameras: str | Sequence[str] | None = None,
    robot: str | Embodiment | None = None,
    slot: int | None = None,
    image_fit: Fit = "stretch",
) -> Any:
    """The data set of that name; see the drawing above. The keywords are the options of the same names.

    `image_size`, `image_fit`: pixels of a side of the pictures of episodes, and how they become squares.
    """
    location = parse(name)
    return _with(location, Selection(episodes, cameras, robot, slot), str(name)).open(image_size, on_bad, image_fit)


def _with(location: Location, selection: Selection, name: str) -> Location:
    if not selection:
        return location
    if location.kind != "episodes":
        raise ConfigError(f"{name}: holds {location.kind}; {', '.join(OPTIONS)} choose among episodes")
    chosen = {option: getattr(selection, option) for option in OPTIONS if getattr(selection, option) is not None}
    for option in chosen:
        if option in location.options or getattr(location.selection, option) is not None:
            raise ConfigError(f"{name}: {option} is given in the name and beside it; leave one of them out")
    own: dict[str, Any] = {option: value for option, value in chosen.items() if option in location.format.options}
    rest = {option: value for option, value in chosen.items() if option not in own}
    return Location(location.format, location.path, {**location.options, **own}, replace(location.selection, **rest))
