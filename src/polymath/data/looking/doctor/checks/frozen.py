"""Does a camera go on seeing what the robot does?"""

import numpy as np

from polymath.data.looking.doctor.findings import Finding
from polymath.data.looking.doctor.population import Population
from polymath.data.looking.doctor.robust import far

MOVES = 0.05
"""Of a joint's span between two moments: the robot moves, so a picture of it changes."""
DEAD = 0.1
"""Of the change that this camera usually shows while the robot moves; a compressed standing picture stays below."""
STILLER, CODEC = 0.5, 2.0
"""Of the least change of its usual episode, and grey levels: a live picture of a standing scene keeps the noise of its
sensor, a frozen one has what a codec leaves."""
BLIND = 1.0
"""Grey levels: a camera that usually shows less (it looks past the robot) cannot be told from a frozen one."""
SHORTEST = 3  # neighbouring pairs of moments; a shorter standstill may be the robot out of sight
BRIEF = 0.5  # seconds; a camera may stand so long while joints turn that it does not see
LEAST = 0.3  # spans that the robot moves while the picture stands
WHOLE = 0.5  # of the moving moments: the episode cannot be used


def frozen(population: Population) -> list[Finding]:
    """The longest time for which a picture stands while the robot moves, where it is far longer than in other episodes.

    Two moments are compared cell by cell on a grid of 64; the largest difference counts, so that a small arm does.
    """
    moved = [_moved(population, number) for number in range(len(population.episodes))]
    findings = []
    for camera, name in enumerate(population.robot.cameras):
        change = [episode.pictures.change[:, camera] for episode in population.episodes]
        moving = np.concatenate([c[m > MOVES] for c, m in zip(change, moved, strict=True)])
        usual = float(np.median(moving)) if len(moving) else 0.0
        if usual < BLIND:
            continue
        noise = float(np.median([each.min(initial=usual) for each in change]))
        least = min(DEAD * usual, max(CODEC, STILLER * noise))
        runs = [_longest(c < least, m) for c, m in zip(change, moved, strict=True)]
        blamed = far(np.array([run[2] for run in runs]), LEAST)
        for number, episode in enumerate(population.episodes):
            first, last, _ = runs[number]
            if not blamed[number] or last - first + 1 < min(SHORTEST, len(moved[number])):
                continue
            steps = episode.pictures.steps
            span = (int(steps[first]), int(steps[last + 1]))
            if span[1] - span[0] < BRIEF * population.hz:
                continue
            dead = change[number][moved[number] > MOVES] < least
            whole = dead.mean() >= WHOLE if len(dead) else False
            text = f"camera {name!r} is frozen from control step {span[0]} to {span[1]} while the robot moves"
            findings.append(Finding("frozen", number, "drop" if whole else "look", text, span, (name,)))
    return findings


def _moved(population: Population, number: int) -> np.ndarray:
    """Between neighbouring moments, how far the arm has come: the sum over its steps, in spans."""
    steps = population.episodes[number].pictures.steps
    path = np.concatenate([[0.0], np.cumsum(population.speed[number])])
    return np.diff(path[steps])


def _longest(dead: np.ndarray, moved: np.ndarray) -> tuple[int, int, float]:
    """First and last of the run of `dead` over which the robot moves most, and how far it does."""
    best, first, way = (0, -1, 0.0), 0, 0.0
    for i, is_dead in enumerate(dead):
        if not is_dead:
            first, way = i + 1, 0.0
            continue
        way += float(moved[i])
        if way > best[2]:
            best = (first, i, way)
    return best
