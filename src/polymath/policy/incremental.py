"""New tokens of a sequence through the model, the tokens before them in a key-value cache."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from polymath.model import action_head, cache, decoder, polymath_v
from polymath.model.execution import Execution
from polymath.types import Batch


class Observed(NamedTuple):
    """actions: the normalised chunk of each row's newest control step; last: the hidden state of its last token."""

    actions: Float[Array, "B W A"]
    last: Float[Array, "B D"]
    cache: cache.Cache


def observe(
    params: polymath_v.Params, model: polymath_v.Config, batch: Batch, before: cache.Cache, execution: Execution
) -> Observed:
    """Append one unpacked document, or the tail of one, a row; indices in `batch` count from the tail's start.

    The newest control step is the last slot of the batch.
    """
    x = polymath_v.embed_sequence(params, model, batch, execution)
    new = jnp.sum(batch.segment_ids > 0, axis=1)
    hidden, after = cache.append(params.decoder, model.decoder, before, x, new)
    row = jnp.arange(len(x))
    readouts = hidden[row[:, None], batch.readout_positions[:, -1]]
    return Observed(action_head.forward(params.action_head, readouts), hidden[row, new - 1], after)


def decode(
    params: decoder.Params, config: decoder.Config, observed: Observed, block: range, count: int
) -> Int[Array, "B count"]:
    """The `count` likeliest next tokens, one after the other, each chosen among the ids of `block` alone."""

    def step(state: tuple[Array, cache.Cache], _: None) -> tuple[tuple[Array, cache.Cache], Int[Array, " B"]]:
        last, before = state
        ids = block.start + jnp.argmax(decoder.logits(params, last, block), axis=-1)
        x = decoder.embed(params, config, ids[:, None], last.dtype)
        hidden, after = cache.append(params, config, before, x, jnp.ones(len(ids), jnp.int32))
        return (hidden[:, 0], after), ids

    _, ids = jax.lax.scan(step, (observed.last, observed.cache), None, length=count)
    return ids.T
