"""Does every dimension move that moves in the others?"""

import numpy as np

from polymath.data.looking.doctor.findings import Finding
from polymath.data.looking.doctor.population import Population

STILL, MOVES = 1e-4, 0.02  # of the dimension's span
MOST = 0.8
"""Of the episodes of a task that move a dimension, before one that does not is blamed: a joint may be left alone."""


def still(population: Population) -> list[Finding]:
    """A state or a joint target that never changes, where it does in four of five others of its task.

    A dead encoder, a lost field. Displacements (delta actions) may well be 0 throughout, and switches stay as they are.
    """
    robot, findings = population.robot, []
    groups = [
        ("state", robot.state_names, population.states, np.where(population.switches, np.inf, population.state_span))
    ]
    if population.relation.kind == "absolute" and population.relation.pairs:
        groups.append(("action", robot.action_names, population.actions, population.action_span))
    for kind, names, arrays, spans in groups:
        ranges = np.stack([np.ptp(values, axis=0) for values in arrays]) / np.maximum(spans, 1e-9)
        for peers in population.peers:
            for dimension in np.flatnonzero((ranges[peers] > MOVES).mean(axis=0) >= MOST).tolist():
                for number in (place for place in peers if ranges[place, dimension] < STILL):
                    if kind == "state" and _is_left_alone(population, number, dimension):
                        continue
                    text = f"{kind} {names[dimension]!r} never changes"
                    findings.append(Finding("still", number, "look", text, None, (names[dimension],)))
    return findings


def _is_left_alone(population: Population, number: int, state: int) -> bool:
    """A gripper that was not commanded to move."""
    if state not in population.gripper_states:
        return False
    places, spans = population.gripper_actions, population.action_span
    return all(np.ptp(population.actions[number][:, place]) <= MOVES * spans[place] for place in places)
