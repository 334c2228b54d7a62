"""How long does the robot stand at the beginning and at the end?"""

import numpy as np

from polymath.data.looking.doctor.findings import Finding
from polymath.data.looking.doctor.population import Population
from polymath.data.looking.doctor.robust import far

SLOW = 0.05
"""Of the set's median speed while it moves: trembling, not moving."""
MOVING = 1e-3  # of a dimension's span in one step, above which it moves at all
SHARE = 0.25  # of the episode
SECONDS = 1.0
STEPS = 10  # where the set has no rate


def idle(population: Population) -> list[Finding]:
    """A beginning or an end without motion that takes a quarter of the episode, a second, and far more than usual.

    The action counts as motion too where it is a position: a person may wait for the robot to follow.
    """
    speeds = population.motion
    moving = np.concatenate([speed[speed > MOVING] for speed in speeds])
    if not len(moving):
        return []
    limit = SLOW * float(np.median(moving))
    least = max(SECONDS * population.hz, 1) if population.hz else STEPS
    ends = {"beginning": [_still(s, limit) for s in speeds], "end": [_still(s[::-1], limit) for s in speeds]}
    findings = []
    for place, counts in ends.items():
        unusual = far(np.array(counts, float), least)
        for number, count in enumerate(counts):
            steps = len(speeds[number])
            if not unusual[number] or count < SHARE * steps:
                continue
            span = (0, count) if place == "beginning" else (steps - count, steps)
            all_of_it = count == steps
            if all_of_it and place == "end":
                continue
            text = "the robot never moves" if all_of_it else f"idle {place}: {population.seconds(count)} of {steps + 1}"
            findings.append(Finding("idle", number, "drop" if all_of_it else "look", text, span))
    return findings


def _still(speed: np.ndarray, limit: float) -> int:
    """Steps before the first motion."""
    at = np.flatnonzero(speed > limit)
    return int(at[0]) if len(at) else len(speed)
