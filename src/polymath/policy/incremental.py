"""New tokens of a sequence through the model, the tokens before them in a key-value cache."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt32

from polymath.model import action_head, cache, decoder, polymath_v
from polymath.model.execution import Execution
from polymath.types import Batch


class Observed(NamedTuple):
    """actions: the normalised chunk of each row's newest control step; last: the hidden state of its last token."""

    actions: Float[Array, "B W A"]
    last: Float[Array, "B D"]
    cache: cache.Cache


Choose = Callable[[Float[Array, "B n"], Int[Array, ""]], Int[Array, " B"]]
"""From the scores of n tokens and the number of the step (0, 1, …) to an index in them for each row."""


def observe(
    params: polymath_v.Params, model: polymath_v.Config, batch: Batch, before: cache.Cache, execution: Execution
) -> Observed:
    """Append one unpacked document, or the tail of one, a row; indices in `batch` count from the tail's start.

    The newest control step is the last slot of the batch.
    """
    return advance(params, model, polymath_v.embed_sequence(params, model, batch, execution), batch, before)


def advance(
    params: polymath_v.Params, model: polymath_v.Config, x: Float[Array, "B S D"], batch: Batch, before: cache.Cache
) -> Observed:
    """As `observe`, from the embedded sequence."""
    new = jnp.sum(batch.segment_ids > 0, axis=1)
    hidden, after = cache.append(params.decoder, model.decoder, before, x, new)
    row = jnp.arange(len(x))
    readouts = hidden[row[:, None], batch.readout_positions[:, -1]]
    return Observed(action_head.forward(params.action_head, readouts), hidden[row, new - 1], after)


def likeliest(scores: Float[Array, "B n"], number: Int[Array, ""]) -> Int[Array, " B"]:
    """The index of the highest score."""
    return jnp.argmax(scores, axis=-1)


def drawn(seeds: UInt32[Array, "B 2"], temperature: float) -> Choose:
    """A choice drawn from softmax(scores / temperature), by the Gumbel-max trick (Maddison et al. 2014, section 2).

    What is drawn for a row is a function of its seed, of the step's number and of its scores, whatever the batch.
    """
    keys = jax.random.wrap_key_data(seeds, impl="threefry2x32")

    def choose(scores: Float[Array, "B n"], number: Int[Array, ""]) -> Int[Array, " B"]:
        noise = jax.vmap(lambda key: jax.random.gumbel(jax.random.fold_in(key, number), scores.shape[1:]))(keys)
        return jnp.argmax(scores / temperature + noise, axis=-1)

    return choose


def prescribed(indices: Int[Array, "B count"], otherwise: Choose) -> Choose:
    """A choice that takes `indices[:, number]` where that is 0 or more, else what `otherwise` chooses."""

    def choose(scores: Float[Array, "B n"], number: Int[Array, ""]) -> Int[Array, " B"]:
        index = indices[:, number]
        return jnp.where(index >= 0, index, otherwise(scores, number))

    return choose


def decode(
    params: decoder.Params,
    config: decoder.Config,
    observed: Observed,
    block: range,
    count: int,
    choose: Choose = likeliest,
) -> Int[Array, "B count"]:
    """The next `count` tokens, one after the other, each chosen among the ids of `block` alone."""

    def step(state: tuple[Array, cache.Cache], number: Array) -> tuple[tuple[Array, cache.Cache], Int[Array, " B"]]:
        last, before = state
        ids = block.start + choose(decoder.logits(params, config, last, block), number)
        x = decoder.embed(params, config, ids[:, None], last.dtype)
        hidden, after = cache.append(params, config, before, x, jnp.ones(len(ids), jnp.int32))
        return (hidden[:, 0], after), ids

    _, ids = jax.lax.scan(step, (observed.last, observed.cache), jnp.arange(count))
    return ids.T
