"""Does the robot stay where it is in the other episodes?"""

import numpy as np

from polymath.data.looking.doctor.findings import Finding
from polymath.data.looking.doctor.population import Population
from polymath.data.looking.doctor.robust import apart

GAP = 0.5
"""Of the room that all the others take, between them and what lies outside: even values leave far smaller gaps."""
STEPS = 0.1  # of the control steps


def poses(population: Population) -> list[Finding]:
    """A state that for a tenth of the control steps lies outside of the room of all other episodes, by half of it.

    The room of an episode is that between its 10 % and 90 % quantiles. Angles that wrap in the set have no outside,
    and a set with few episodes of each of its tasks has no room of its own.
    """
    raw = [episode.states for episode in population.episodes]
    findings: dict[int, Finding] = {}
    if not population.peers:
        return []
    for dimension in population.arm_states:
        name = population.robot.state_names[dimension]
        columns = [states[:, dimension].astype(np.float64) for states in raw]
        wraps = any(
            np.abs(column - states[:, dimension]).max() > 1e-3 * population.state_span[dimension]
            for column, states in zip(columns, population.states, strict=True)
        )
        for number, text in [] if wraps else _outside(columns, name):
            findings.setdefault(number, Finding("poses", number, "look", text, None, (name,)))
    return list(findings.values())


def _outside(columns: list[np.ndarray], name: str) -> list[tuple[int, str]]:
    """Episodes that go far above all others, or below."""
    low, high = (np.array([np.quantile(column, q) for column in columns]) for q in (STEPS, 1 - STEPS))
    texts = []
    for values, others in ((high, low), (-low, -high)):
        inner = np.argsort(values)[: len(values) - max(1, len(values) // 5)]
        blamed = apart(values, GAP * float(values[inner].max() - others[inner].min()))
        rest = [columns[i] for i in np.flatnonzero(~blamed)]
        for i in np.flatnonzero(blamed).tolist():
            worst = columns[i].max() if values is high else columns[i].min()
            span = f"{min(c.min() for c in rest):.3g} to {max(c.max() for c in rest):.3g}"
            texts.append((i, f"state {name!r} goes to {worst:.3g}, in the other episodes {span}"))
    return texts
