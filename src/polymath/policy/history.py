"""What a session remembers: the newest observations of its episode and the actions carried out between them.

    turn 1   <bos> <robot> instruction <img>… <state> <act>…
    turn 2                                                   a… <img>… <state> <act>…       appended, nothing else
    turn 3                                                                           a… <img>… <state> <act>…

`a…` are the actions that were executed between two observations. A history holds at most the T observations of the
layout's window; when it is full it starts again from its newest T // 2, whose tokens are then computed once more.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from polymath.data.sequences.sequence import ControlStep, Document, trajectory_length
from polymath.data.sequences.transforms import RobotTransform
from polymath.errors import DataError
from polymath.types import Observation


@dataclass(frozen=True)
class History:
    """`tokens` of the prompt of these steps are in the cache; `first` is the number of the oldest step."""

    instruction: str
    ids: tuple[int, ...]
    steps: tuple[ControlStep, ...]
    first: int = 0
    tokens: int = 0


@dataclass(frozen=True)
class Next:
    """A turn to be computed: `fresh` tokens behind the first `start` of the row, and the history afterwards."""

    fresh: Document
    start: int
    after: History


def following(
    transform: RobotTransform,
    history: History | None,
    observation: Observation,
    executed: np.ndarray | None,
    room: int,
    committed: np.ndarray | None = None,
) -> Next:
    """What an observation adds; another instruction than before begins a new history. `room`: tokens of its answer.

    Raises DataError for a wrong robot, camera, picture or state, for actions that are not the layout.stride actions
    carried out since the observation before, for actions where there was none, for committed actions that do not fit
    (`RobotTransform.observed`), and for an instruction that leaves no room for a whole window.
    """
    step = transform.observed(observation, committed)
    if history is None and executed is not None:
        raise DataError("executed: the session has no observation yet; leave it out at the first one")
    if history is None or history.instruction != observation.instruction:
        ids = tuple(transform.instruction_ids(observation.instruction))
        _check_length(transform, len(ids), room)
        history, start = History(observation.instruction, ids, (step,)), 0
    else:
        history, start = _appended(transform, history, step, executed)
    document = transform.prompt_of(history.ids, history.steps)
    after = History(history.instruction, history.ids, history.steps, history.first, len(document.tokens))
    return Next(tail(document, start), start, after)


def _appended(
    transform: RobotTransform, history: History, step: ControlStep, executed: Float[np.ndarray, "stride A"] | None
) -> tuple[History, int]:
    """The history with one more step, and how many of its tokens are in the cache: none after a full window."""
    if executed is None:
        raise DataError(
            f"executed: missing; pass on the {transform.layout.stride} actions (layout.stride) carried out since the "
            "last observation, or reset the session where a new part of the episode begins"
        )
    window = transform.layout.window
    steps = (*history.steps[:-1], transform.followed_by(history.steps[-1], executed))
    full = len(steps) == window
    dropped = window - window // 2 if full else 0
    kept = History(history.instruction, history.ids, (*steps[dropped:], step), history.first + dropped)
    return kept, 0 if full else history.tokens


def _check_length(transform: RobotTransform, instruction: int, room: int) -> None:
    """Raise DataError where the prompt of a whole window, or the tokens of its answer, would exceed the training's."""
    layout, robot = transform.layout, transform.embodiment
    window = trajectory_length(layout, instruction, layout.window, len(robot.cameras), robot.action_dim)
    prompt = window - 1 - layout.chunk_length * robot.action_dim  # without the last chunk and <eos>
    if prompt + room > layout.length:
        raise DataError(
            f"instruction: with its {instruction} tokens the prompt of {layout.window} observations has {prompt}, and "
            f"the answer {room} more, but sequences of the training had {layout.length} at most (layout.length); "
            "shorten it"
        )


def tail(document: Document, start: int) -> Document:
    """The tokens from `start` on, and the pictures, states and readouts among them."""
    images, states = document.image_starts >= start, document.state_positions >= start
    return Document(
        tokens=document.tokens[start:],
        loss_weights=document.loss_weights[start:],
        images=document.images[images],
        image_starts=document.image_starts[images] - start,
        states=document.states[states],
        state_positions=document.state_positions[states] - start,
        actions=document.actions[states],
        action_mask=document.action_mask[states],
        readout_positions=document.readout_positions[states] - start,
    )
