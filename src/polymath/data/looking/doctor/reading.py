"""Reads what the checks need of every episode, one pass over the set."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from polymath.data.files.quarantine import Quarantine
from polymath.data.interface import EpisodeSet, episode_name, episode_times
from polymath.data.looking.doctor.pictures import Pictures, look
from polymath.errors import DataError
from polymath.progress import progress_bar


@dataclass(frozen=True)
class Recorded:
    """One episode that can be read; `index` is its place in the set, `times` are seconds, None without a clock."""

    index: int
    name: str
    task: str
    instruction: str
    states: Float[np.ndarray, "T S"]
    actions: Float[np.ndarray, "T A"]
    times: Float[np.ndarray, " T"] | None
    pictures: Pictures


def read(source: EpisodeSet, moments: int, quarantine: Quarantine) -> list[Recorded]:
    """Every episode that can be read, with `moments` pictures of each camera; the others go to `quarantine`.

    Raises DataError if there is none.
    """
    episodes = []
    with progress_bar("data doctor", len(source)) as bar:
        for index in range(len(source)):
            name = episode_name(source, index)
            try:
                episodes.append(_episode(source, index, name, moments))
            except DataError as error:
                quarantine.add(source.name, name, error)
            bar.advance(status=name)
    if not episodes:
        raise DataError(f"{source.name}: holds no usable episode; record it again\n{quarantine.table()}")
    return episodes


def _episode(source: EpisodeSet, index: int, name: str, moments: int) -> Recorded:
    states, actions = np.asarray(source.states(index)), np.asarray(source.actions(index))
    if not len(actions):
        raise DataError(f"{source.name}: {name}: holds no control step; drop the episode", "empty")
    return Recorded(
        index=index,
        name=name,
        task=source.task(index),
        instruction=source.instruction(index),
        states=states,
        actions=actions,
        times=episode_times(source, index),
        pictures=look(source, index, len(actions), moments),
    )
