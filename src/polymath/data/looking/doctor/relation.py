"""How a set's actions move its states: as positions or as displacements, which action which state, and how much later.

An action is paired with the state whose steps follow its own steps (absolute actions, joint targets) or its values
(delta actions) most closely: the largest mean cross-correlation over the episodes and over lags of up to half a second.
G. Jenkins, D. Watts, Spectral Analysis and its Applications (1968), chapter 8, on lags by cross-correlation.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

Kind = Literal["absolute", "delta"]
LONGEST_SECONDS, MOST_STEPS = 0.5, 20
BOTH_WAYS = 3  # steps: recordings whose states are ahead of their actions
EPISODES = 128  # that decide which action moves which state
RELATED = 0.3  # correlation below which an action moves no state


@dataclass(frozen=True)
class Pair:
    """Action `action` moves state `state`, up (sign 1) or down, by `strength` between 0 and 1."""

    action: int
    state: int
    sign: float
    strength: float


@dataclass(frozen=True)
class Relation:
    """`pairs` is empty if no action is seen to move a state. Lags run from -`before` to `after` control steps."""

    kind: Kind
    pairs: tuple[Pair, ...]
    before: int
    after: int

    @property
    def lags(self) -> np.ndarray:
        return np.arange(-self.before, self.after + 1)


def relate(
    actions: list[Float[np.ndarray, "T A"]], states: list[Float[np.ndarray, "T S"]], places: list[int], hz: float
) -> Relation:
    """The relation over the set; `places` are the action dimensions asked about, grippers for instance left out."""
    after = int(min(MOST_STEPS, max(5, round(LONGEST_SECONDS * (hz or 10)))))
    chosen = [i for i in range(len(actions)) if len(actions[i]) >= 2 * after]
    chosen = [chosen[int(i)] for i in np.linspace(0, len(chosen) - 1, min(EPISODES, len(chosen)))]
    best: Relation = Relation("absolute", (), BOTH_WAYS, after)
    kinds: tuple[Kind, ...] = ("absolute", "delta")
    for kind in kinds:
        tables = [correlations(kind, actions[i][:, places], states[i], BOTH_WAYS, after) for i in chosen]
        if not tables:
            break
        pairs = _pairs(np.nanmean(np.stack(tables), axis=0), places)
        if sum(pair.strength for pair in pairs) > sum(pair.strength for pair in best.pairs):
            best = Relation(kind, pairs, BOTH_WAYS, after)
    return best


def correlations(
    kind: Kind, actions: Float[np.ndarray, "T A"], states: Float[np.ndarray, "T S"], before: int, after: int
) -> Float[np.ndarray, "lags A S"]:
    """Correlation of the actions (or their steps) with the states' steps `lag` later; 0 where nothing moves."""
    moved = np.diff(states.astype(np.float64), axis=0)
    driving = (np.diff(actions, axis=0) if kind == "absolute" else actions[:-1]).astype(np.float64)
    x, y = _standardised(driving), _standardised(moved)
    n = len(x)
    table = [
        x[max(0, -lag) : n - max(0, lag)].T @ y[max(0, lag) : n - max(0, -lag)] for lag in range(-before, after + 1)
    ]
    return np.stack(table) / n


def _standardised(values: Float[np.ndarray, "T D"]) -> Float[np.ndarray, "T D"]:
    centred = values - values.mean(axis=0)
    scale = centred.std(axis=0)
    return np.divide(centred, scale, out=np.zeros_like(centred), where=scale > 1e-9)


def _pairs(table: Float[np.ndarray, "lags A S"], places: list[int]) -> tuple[Pair, ...]:
    pairs = []
    for row, action in enumerate(places):
        strengths = np.abs(table[:, row])
        lag, state = np.unravel_index(int(np.argmax(strengths)), strengths.shape)
        if strengths[lag, state] >= RELATED:
            pairs.append(Pair(action, int(state), float(np.sign(table[lag, row, state])), float(strengths[lag, state])))
    return tuple(pairs)
