"""Do the states follow the actions as late as in the other episodes?"""

from dataclasses import dataclass

import numpy as np

from polymath.data.looking.doctor.findings import Finding
from polymath.data.looking.doctor.population import Population
from polymath.data.looking.doctor.relation import correlations
from polymath.data.looking.doctor.robust import FAR, centre

LEAST = 1.5
"""Control steps: half a step is the estimate's own error, one step the trembling of a loop that is not in real time."""
CLEARER, WORSE, LITTLE = 0.1, 3.0, 0.02
"""Correlation at the episode's own lag above that at the set's: a flat peak says nothing of where it stands. Of smooth
motion, which correlates well at any lag, less is clear enough where what is left unexplained is three times as much."""
RELATED = 0.4  # correlation at its best lag, below which an episode says nothing


@dataclass(frozen=True)
class Lags:
    """Of each episode: steps by which the states follow the actions, NaN where it cannot be said; and how closely."""

    steps: np.ndarray
    strength: np.ndarray
    curves: list[np.ndarray | None]


def lags(population: Population) -> Lags:
    """Peaks of the cross-correlation, the mean over pairs of action and state that move; between steps by parabola."""
    relation = population.relation
    steps, strength = np.full((2, len(population.episodes)), np.nan)
    curves: list[np.ndarray | None] = []
    for number in range(len(population.episodes)):
        curve = _curve(population, number)
        curves.append(curve)
        if curve is None:
            continue
        place = int(np.argmax(curve))
        strength[number] = curve[place]
        if curve[place] >= RELATED and 0 < place < len(curve) - 1:
            steps[number] = relation.lags[place] + _vertex(*curve[place - 1 : place + 2])
    return Lags(steps, strength, curves)


def lag(population: Population) -> list[Finding]:
    """A lag more than 1.5 control steps, and 6 deviations, from the set's, that fits clearly better than the set's."""
    measured = lags(population)
    usual, scale = centre(measured.steps)
    findings = []
    for number in np.flatnonzero(np.abs(measured.steps - usual) > max(LEAST, FAR * scale)).tolist():
        curve = measured.curves[number]
        if curve is None:
            continue
        there = float(np.interp(usual, population.relation.lags, curve))
        if not _is_clear(float(measured.strength[number]), there):
            continue
        own = measured.steps[number]
        text = (
            f"states follow the actions after {population.seconds(own)}, in the other episodes after "
            f"{population.seconds(usual)}"
        )
        fields = tuple(population.robot.action_names[pair.action] for pair in population.relation.pairs[:2])
        findings.append(Finding("lag", number, "drop", text, None, fields))
    return findings


def _is_clear(own: float, there: float) -> bool:
    """Whether the correlation at the episode's own lag tells it from the set's lag, where it is `there`."""
    return own - there >= CLEARER or (own - there >= LITTLE and 1 - there > WORSE * (1 - own))


def _curve(population: Population, number: int) -> np.ndarray | None:
    """Correlation by lag; None for an episode that is too short, or in which nothing of the pairs moves."""
    relation, actions, states = population.relation, population.actions[number], population.states[number]
    if not relation.pairs or len(actions) < 2 * (relation.before + relation.after):
        return None
    moves = np.ptp(states, axis=0) > 0.1 * population.state_span
    pairs = [pair for pair in relation.pairs if moves[pair.state]]
    if not pairs:
        return None
    table = correlations(relation.kind, actions, states, relation.before, relation.after)
    weights = np.array([pair.strength for pair in pairs])
    curves = np.stack([pair.sign * table[:, pair.action, pair.state] for pair in pairs])
    return weights @ curves / weights.sum()


def _vertex(left: float, middle: float, right: float) -> float:
    """Where the parabola through three neighbours has its peak, -0.5 to 0.5 from the middle one."""
    bend = left - 2 * middle + right
    return 0.0 if bend >= 0 else float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5))
