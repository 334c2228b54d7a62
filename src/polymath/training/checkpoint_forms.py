"""Forms of a stored state: a checkpoint of any earlier version opens in this one.

schema    what is stored
1         step, skipped, trainable, frozen, optimizer, and `history` where spikes are looked for
2         `left_out` too: updates that were left out, by kind

The schema's number stands in the checkpoint's "custom_metadata"; where there is none, it is 1.
"""

from pathlib import Path
from typing import Any

import jax

from polymath.errors import CheckpointError
from polymath.specs import named
from polymath.training import spikes
from polymath.training.step import State

SCHEMA = 2
KEY = "schema"


def check_schema(place: Path, custom: dict[str, Any]) -> None:
    """Raise CheckpointError for a checkpoint of a newer version; `custom`: its "custom_metadata"."""
    schema = custom.get(KEY, 1)
    if not isinstance(schema, int) or schema > SCHEMA:
        raise CheckpointError(
            f"{place}: has schema {schema!r}, this version of polymath reads 1 to {SCHEMA}; install the version that "
            "wrote it, or a newer one"
        )


def in_stored_form(target: State, tree: Any) -> State:
    """`target` with the counters and the history that the checkpoint of that metadata tree has.

    The shapes of the history are the stored ones.
    """
    stored = {name: tuple(leaf.shape) for name, leaf in named(tree) if getattr(leaf, "shape", None) is not None}
    if not any(name.startswith("left_out.") for name in stored):
        target = target._replace(left_out=None)
    if "history.values" not in stored:
        return target._replace(history=None)
    like, window = target.history or _history_like(target), stored["history.values"]
    values: Any = jax.ShapeDtypeStruct(window, like.values.dtype, sharding=like.values.sharding)
    return target._replace(history=like._replace(values=values))


def in_todays_form(state: State, target: State) -> State:
    """The restored state with what `target` has and the checkpoint had not, or had of another size: it begins anew."""
    if target.left_out is None:
        state = state._replace(left_out=None)
    elif state.left_out is None:
        state = state._replace(left_out=_placed(spikes.nothing_left_out(), target.left_out))
    if target.history is None:
        return state._replace(history=None)
    window = target.history.values.shape
    if state.history is None or state.history.values.shape != window:
        state = state._replace(history=_placed(spikes.no_history(window[1]), target.history))
    return state


def with_nothing_recent(state: State) -> State:
    """The state as if no recent update had been left out: for a training that goes on with another learning rate."""
    if state.left_out is None:
        return state
    fresh, placed = spikes.nothing_left_out(), state.left_out
    kinds, in_a_row = _placed((fresh.kinds, fresh.in_a_row), (placed.kinds, placed.in_a_row))
    return state._replace(left_out=placed._replace(kinds=kinds, in_a_row=in_a_row))


def _history_like(target: State) -> Any:
    """Where a history would be that the target has none of: beside its counters."""
    step = target.step
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=step.sharding),
        jax.eval_shape(lambda: spikes.no_history(1)),
    )


def _placed(fresh: Any, target: Any) -> Any:
    return jax.tree.map(lambda leaf, like: jax.device_put(leaf, like.sharding), fresh, target)
