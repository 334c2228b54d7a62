"""Which recorded episodes a run has been trained on, and which it held out: by the record that it keeps of them.

An episode is known again by the hash of its states and actions, wherever the set lies, or by its name in the same set.
"""

from collections.abc import Sequence
from pathlib import Path

from polymath.data.files.paths import is_local
from polymath.data.formats.opening import Location, open_source, parse
from polymath.data.interface import EpisodeSet, episode_name
from polymath.errors import ConfigError, PolymathError
from polymath.evaluation.openloop.result import Seen
from polymath.training import held_out
from polymath.training.division import episode_hash
from polymath.training.run import Run


def seen_by(run: Run, data: str, episodes: EpisodeSet, chosen: Sequence[int]) -> Seen:
    """Whether the run was trained on some of these episodes, or on none of them.

    `unknown` where the record cannot say it: an older version made the run, or prepared sets are among its data.
    """
    record = held_out.read(run.path)
    if record is None:
        return _seen_by_names(run, data, episodes, chosen)
    trained, names = record.trained(), _trained_names(record, data)
    for place in chosen:
        if episode_hash(episodes, place) in trained or episode_name(episodes, place) in names:
            return "trained on"
    return "held out" if record.complete else "unknown"


def held_out_of(run: Path) -> str:
    """The name of the set that holds the run's held-out episodes and no others.

    Raises ConfigError where there are none, or those of several sets.
    """
    record = held_out.read(run) if run.is_dir() else None
    if record is None:
        raise ConfigError(f"--data: {run} keeps no record of held-out episodes; name episodes to compare with")
    sets = [each for each in record.sets if each.held_out]
    if not sets:
        raise ConfigError(f"--data: {run} held no episode out (held_out.share); name episodes to compare with")
    names = [held_out.name_of(each) for each in sets]
    if len(names) > 1:
        choices = " or ".join(repr(name) for name in names)
        raise ConfigError(f"--data: {run} held out episodes of several sets; choose {choices}")
    return names[0]


def _trained_names(record: held_out.Record, data: str) -> set[str]:
    """Names of the episodes that were trained on in the same place."""
    place = _place(parse(data))
    names: set[str] = set()
    for each in record.sets:
        try:
            if _place(parse(each.source)) == place:
                names |= set(each.trained)
        except PolymathError:  # moved, or on another machine: their hashes are known
            continue
    return names


def _seen_by_names(run: Run, data: str, episodes: EpisodeSet, chosen: Sequence[int]) -> Seen:
    """Of a run without a record: `trained on` where its sources can be opened again and have such names, or `unknown`.

    A prepared set does not say from where its rows came.
    """
    if run.data.prepared or not run.data.robot:
        return "unknown"
    place = _place(parse(data))
    for source in run.data.robot:
        try:
            location = parse(source)
            if _place(location) != place:
                continue
            trained = open_source(source)
        except PolymathError:
            continue
        names = {episode_name(trained, index) for index in range(len(trained))}
        if any(episode_name(episodes, index) in names for index in chosen):
            return "trained on"
    return "unknown"


def _place(location: Location) -> tuple[str, str]:
    path = location.path
    options = {key: value for key, value in location.options.items() if key == "split"}
    return str(path.resolve() if is_local(path) else path), str(sorted(options.items()))
