"""Starts drawn from a task's own BDDL regions, for demonstrations: never one of the official initial states."""

from typing import Any, Dict

import numpy as np

ATTEMPTS = 20
MOST_MOVED, MOST_FALLEN = 0.08, 0.2
"""Metres that an object moves sideways and down while it settles; one that was drawn into another is thrown away."""


class StartError(Exception):
    """No start was found in which the objects stay where they were put."""


def draw_start(stage: Any, seed: int) -> np.ndarray:
    """Begin at the start of `seed`, which depends on the task and the seed only, and return it for `Stage.start_at`.

    Raises StartError where ATTEMPTS layouts in a row fall apart.
    """
    for attempt in range(ATTEMPTS):
        drawn = np.random.SeedSequence([seed, attempt]).generate_state(1)
        initial: np.ndarray = stage.initial_of_draw(int(drawn[0]))
        before = _positions(stage)
        stage.start_at(initial)
        after = _positions(stage)
        if all(_settled(before[name], after[name]) for name in before) and not stage.domain._check_success():
            return initial
    raise StartError(f"seed {seed}: the objects came to rest in none of {ATTEMPTS} layouts; take another seed")


def _positions(stage: Any) -> Dict[str, np.ndarray]:
    domain = stage.domain
    return {name: domain.sim.data.body_xpos[domain.obj_body_id[name]].copy() for name in domain.objects_dict}


def _settled(before: np.ndarray, after: np.ndarray) -> bool:
    moved = after - before
    return bool(np.linalg.norm(moved[:2]) < MOST_MOVED and abs(moved[2]) < MOST_FALLEN)
