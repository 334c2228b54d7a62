"""Does a policy use its eyes, its ears and its sense of its own joints? It is asked again with one of them taken away.

    instruction swapped    the words of another episode of the set
    pictures blanked       black pictures
    state blanked          the set's mean state, at every step

The same weights on the same episodes, so differences are paired: an interval that holds 0 shows no use of the sense,
and neither does a difference below LEAST.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from polymath.data.interface import EpisodeSet
from polymath.data.robots.relative import origin
from polymath.evaluation.openloop.errors import Predicted, relative_errors
from polymath.evaluation.openloop.measure import Change, predictions
from polymath.evaluation.openloop.result import ProbeResult
from polymath.evaluation.statistics import paired_mean
from polymath.policy.session import Acting, Policy
from polymath.training.run import Run
from polymath.types import Embodiment

LEAST = 0.01
"""Of the motion's variance: a policy that has hardly learned answers by a little less to anything that changes."""


def probe_all(
    policy: Policy | Acting, episodes: EpisodeSet, answers: Sequence[tuple[int, Predicted]], execute: int
) -> list[ProbeResult]:
    """The three probes on the episodes of `answers`, which are (place in the set, what was answered there)."""
    chosen = [place for place, _ in answers]
    before = relative_errors([predicted for _, predicted in answers], episodes.embodiment)
    if before is None or len(chosen) < 2:
        reason = "the motion of the recordings never changes" if before is None else "takes two episodes or more"
        return [ProbeResult(name, sense, skipped=reason) for name, sense in SENSES]
    swapped = other_instructions(episodes)
    mean = mean_state(episodes, chosen)
    changes: list[Change | None] = [
        (lambda place, seen: replace(seen, instruction=swapped[place])) if swapped else None,
        lambda _, seen: replace(seen, images={name: np.zeros_like(image) for name, image in seen.images.items()}),
        lambda _, seen: replace(seen, state=mean),
    ]
    results = []
    for (name, sense), change in zip(SENSES, changes, strict=True):
        if change is None:
            results.append(ProbeResult(name, sense, skipped="all episodes have the same instruction"))
            continue
        probed = list(predictions(policy, episodes, chosen, execute, change, f"open loop, {name}"))
        if name == STATE_BLANKED:
            probed = from_true_states(policy, episodes, chosen, probed, mean)
        results.append(_compared(name, sense, before, probed, episodes.embodiment))
    return results


STATE_BLANKED = "state blanked"
SENSES = (("instruction swapped", "ears"), ("pictures blanked", "eyes"), (STATE_BLANKED, "own state"))


def from_true_states(
    policy: Policy | Acting,
    episodes: EpisodeSet,
    chosen: Sequence[int],
    probed: Sequence[Predicted],
    blank: Float[np.ndarray, " state_dim"],
) -> list[Predicted]:
    """The answers to the state `blank` of a run that learned deltas, added to the true states instead.

    The deltas are what the model makes of what it is shown; where they begin is no question of its senses. Answers of
    other policies are returned as they are.
    """
    run = getattr(policy, "run", None)
    subtracted = run.statistics.subtracted if isinstance(run, Run) else ()
    if not subtracted:
        return list(probed)
    moved = []
    for place, each in zip(chosen, probed, strict=True):
        states = np.asarray(episodes.states(place), np.float64)[each.steps]
        origins = np.stack([origin(state, subtracted) for state in states]) - origin(blank, subtracted)
        moved.append(replace(each, chunks=(each.chunks + origins[:, None]).astype(np.float32)))
    return moved


def _compared(name: str, sense: str, before: np.ndarray, probed: Sequence[Predicted], robot: Embodiment) -> ProbeResult:
    after = relative_errors(probed, robot)
    assert after is not None  # the recordings are the same
    low, high = paired_mean(after, before)
    difference = float((after - before).mean())
    return ProbeResult(
        name=name,
        sense=sense,
        episodes=len(before),
        relative=float(before.mean()),
        probed=float(after.mean()),
        difference=difference,
        interval=(low, high),
        uses=low > 0 and difference >= LEAST,
    )


def other_instructions(episodes: EpisodeSet) -> list[str]:
    """For each episode the next different instruction of the set, in its order; [] where there is one alone."""
    texts = [episodes.instruction(place) for place in range(len(episodes))]
    if len(set(texts)) < 2:
        return []
    others: list[str] = []
    for place, text in enumerate(texts):
        turned = texts[place + 1 :] + texts[:place]
        others.append(next(other for other in turned if other != text))
    return others


def mean_state(episodes: EpisodeSet, chosen: Sequence[int]) -> np.ndarray:
    """float32 [state_dim], over the control steps of the chosen episodes, in the robot's units."""
    return np.concatenate([np.asarray(episodes.states(place)) for place in chosen]).mean(axis=0).astype(np.float32)
