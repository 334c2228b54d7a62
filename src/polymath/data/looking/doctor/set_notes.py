"""What concerns the set as a whole and no episode of it."""

from collections import Counter

import numpy as np

from polymath.data.looking.doctor.checks.frozen import BLIND
from polymath.data.looking.doctor.checks.lag import lags
from polymath.data.looking.doctor.population import Population
from polymath.data.looking.doctor.robust import centre

LONG_LAG = 0.3
"""Seconds: the larger part of a human reaction time; a policy that is fast cannot be learned from it."""


def notes(population: Population) -> list[str]:
    """One sentence each: instructions that do not vary, cameras that show no motion, a long or negative lag."""
    return [*_instructions(population), *_cameras(population), *_lag(population), *_small(population)]


def lag_summary(population: Population) -> dict[str, float | str | int | None]:
    """The set's own lag: control steps and milliseconds, None where it cannot be told."""
    measured = lags(population).steps
    middle, spread = centre(measured)
    known = not np.isnan(middle)
    hz = population.hz
    return {
        "actions": population.relation.kind if population.relation.pairs else "unrelated",
        "steps": middle if known else None,
        "milliseconds": 1000 * middle / hz if known and hz else None,
        "deviation": spread if known else None,
        "episodes": int((~np.isnan(measured)).sum()),
    }


def _instructions(population: Population) -> list[str]:
    texts = Counter(episode.instruction for episode in population.episodes)
    tasks = {episode.task for episode in population.episodes}
    if len(texts) > 1 or len(population.episodes) < 2:
        return []
    text = next(iter(texts))
    beside = f" for {len(tasks)} tasks" if len(tasks) > 1 else ""
    return [f"instructions do not vary: all episodes have {text!r}{beside}; a policy will not learn to listen"]


def _cameras(population: Population) -> list[str]:
    sentences = []
    for camera, name in enumerate(population.robot.cameras):
        change = np.concatenate([episode.pictures.change[:, camera] for episode in population.episodes])
        if len(change) and np.median(change) < BLIND:
            sentences.append(f"camera {name!r} hardly changes in the whole set; does it see the robot?")
    return sentences


def _lag(population: Population) -> list[str]:
    lag = lag_summary(population)
    steps, milliseconds = lag["steps"], lag["milliseconds"]
    if not isinstance(steps, float):
        return []
    if steps < -0.5:
        return [f"states are ahead of the actions by {population.seconds(-steps)}: are the columns swapped?"]
    if isinstance(milliseconds, float) and milliseconds > 1000 * LONG_LAG:
        return [f"states follow the actions after {population.seconds(steps)} in the whole set"]
    return []


def _small(population: Population) -> list[str]:
    count = len(population.episodes)
    return [f"{count} episodes are too few to tell what is usual; five or more are compared well"] if count < 5 else []
