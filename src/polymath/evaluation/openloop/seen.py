"""Whether a run says that it was trained on the episodes that it is evaluated on."""

from collections.abc import Sequence

from polymath.data.files.paths import is_local
from polymath.data.formats.opening import Location, open_source, parse
from polymath.data.interface import EpisodeSet, episode_name
from polymath.errors import PolymathError
from polymath.evaluation.openloop.result import Seen
from polymath.training.run import Run


def seen_by(run: Run, data: str, episodes: EpisodeSet, chosen: Sequence[int]) -> Seen:
    """By the place of the run's sources and the names of their episodes; `unknown` where these cannot be opened again.

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
            if location.selection.episodes is None:
                return "trained on"
            trained = open_source(source)
        except PolymathError:  # moved, or on another machine
            return "unknown"
        names = {episode_name(trained, index) for index in range(len(trained))}
        if any(episode_name(episodes, index) in names for index in chosen):
            return "trained on"
    return "held out"


def _place(location: Location) -> tuple[str, str]:
    path = location.path
    options = {key: value for key, value in location.options.items() if key == "split"}
    return str(path.resolve() if is_local(path) else path), str(sorted(options.items()))
