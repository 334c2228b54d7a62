"""What a server answered, as an action chunk: one check for both protocols."""

from typing import Any

import numpy as np
from jaxtyping import Float

from polymath.errors import PolymathError
from polymath.types import ActionChunk


def chunk_of(url: str, answer: Any, at_least: int = 1) -> ActionChunk:
    """float32 [W, A] of the array `answer`, of which one action by itself is a chunk of one.

    at_least: actions that the server has promised. Raises PolymathError, naming the server, for an answer that is no
    such chunk or not finite.
    """
    actions = _numbers(url, answer)
    if actions.ndim not in (1, 2) or 0 in actions.shape:
        raise PolymathError(f"{url}: answered with actions of shape {list(actions.shape)}, not [steps, numbers]")
    actions = np.atleast_2d(actions)
    if len(actions) < at_least:
        raise PolymathError(f"{url}: answered with {len(actions)} actions, but promised {at_least} (action_horizon)")
    if not np.isfinite(actions).all():
        raise PolymathError(f"{url}: answered with NaN or infinite actions; does it serve a run that diverged?")
    return ActionChunk(np.ascontiguousarray(actions))


def error_text(text: str) -> str:
    """The line of a server's error that says what happened: the last one of a traceback."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    last = lines[-1] if lines else "an empty message"
    return last if len(last) <= 400 else f"{last[:400]}…"


def _numbers(url: str, answer: Any) -> Float[np.ndarray, "..."]:
    try:
        actions = np.asarray(answer)
    except ValueError:  # lists of different lengths
        actions = np.empty(0, object)
    if actions.dtype.kind not in "fiu":
        shown = type(answer).__name__ if not isinstance(answer, np.ndarray) else f"an array of {actions.dtype}"
        raise PolymathError(f"{url}: answered with {shown} instead of an array of actions; is this a policy server?")
    with np.errstate(over="ignore"):
        return actions.astype(np.float32)
