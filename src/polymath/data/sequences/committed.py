"""Committed actions: the first actions of a chunk that are given instead of regressed (real-time chunking).

While a robot carries out the rest of an old chunk, the policy computes the next one. The actions that the robot carries
out meanwhile are known: they are put in at the first `<act>` positions, and the others are regressed to continue them.
Training draws how many are given, as in training-time real-time chunking (arXiv:2512.05964), so at control time the
delay may be any number up to the largest that was drawn.

    W = 4 steps a chunk, 2 of them committed
    token    … <state> <act:0> <act:1> <act:2> <act:3>  a00 a01  a10 a11  a20 a21  a30 a31
    given                 a0      a1
    loss: MSE                             1       1
    loss: CE                                               0   0    0   0    1   1    1   1

The documents of a run that commits actions have actions and action masks of A + 1 columns: the last column of the
actions is 1 where an action is given and 0 elsewhere, that of the mask is False.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from polymath.data.sequences.sequence import ControlStep, Document


def with_column(document: Document) -> Document:
    """The document with the column that says which actions are given: none."""
    column = ((0, 0), (0, 0), (0, 1))
    return replace(document, actions=np.pad(document.actions, column), action_mask=np.pad(document.action_mask, column))


def prompt_with(document: Document, steps: Sequence[ControlStep]) -> Document:
    """A prompt (or a window) of `steps` with their committed actions."""
    document = with_column(document)
    for chunk, step in zip(document.actions, steps, strict=True):
        if step.committed is not None:
            count, width = step.committed.shape
            chunk[:count] = 0.0
            chunk[:count, :width], chunk[:count, -1] = step.committed, 1.0
    return document


def drawn(document: Document, most: int, rng: np.random.Generator) -> Document:
    """A document with a random number of given actions, 0 to `most` (uniform), at each of its control steps.

    Of the n actions that are left of an episode at most n are given. The losses leave out what is given: the action
    mask is False there, the weights of those action tokens are 0.
    """
    real = document.action_mask.any(axis=2).sum(axis=1)  # [m]
    counts = np.minimum(rng.integers(0, most + 1, size=len(real)), real)
    weights = _without_tokens(document, counts)
    document = with_column(document)
    given = np.arange(document.actions.shape[1]) < counts[:, None]  # [m, W]
    document.actions[..., -1] = given
    document.action_mask[given] = False
    return replace(document, loss_weights=weights)


def _without_tokens(document: Document, counts: Int[np.ndarray, " m"]) -> Float[np.ndarray, " L"]:
    """The loss weights, 0 at the action tokens of the given actions; they follow the readouts of their step."""
    weights = document.loss_weights.copy()
    widths = document.action_mask.any(axis=1).sum(axis=1)  # [m], the robot's own A
    ends = np.append(document.state_positions, len(weights))[1:]  # the next step begins before its state
    for readouts, count, width, end in zip(document.readout_positions, counts, widths, ends, strict=True):
        start = readouts[-1] + 1
        weights[start : min(start + count * width, end)] = 0.0
    return weights
