"""One training step of our decoder: forward, backward, AdamW. `polymath_decoder.py WIDTH STEPS`."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
from sizes import DECODERS
from timing import measure, report

from polymath import specs as weights
from polymath.model import decoder
from polymath.model.execution import Execution
from polymath.training.cross_entropy import tiled_cross_entropy

TILE = 1024  # tokens: that of the presets


def main(width: int, steps: int) -> None:
    size = DECODERS[width]
    config = decoder.Config(
        vocabulary=size.vocabulary,
        width=size.width,
        depth=size.depth,
        heads=size.heads,
        kv_heads=size.heads,
        head_width=size.width // size.heads,
        mlp=size.mlp,
        qk_norm=False,
        learned_beta=False,
        scale_embedding=False,
    )
    tokens = jnp.asarray(np.random.default_rng(0).integers(0, size.vocabulary, (size.batch, size.length + 1)))
    positions = jnp.broadcast_to(jnp.arange(size.length), (size.batch, size.length))
    execution, ones = Execution(remat="none"), jnp.ones((size.batch, size.length), jnp.int32)
    optimizer = optax.adamw(1e-4)

    def loss(params: decoder.Params) -> jax.Array:
        x = decoder.embed(params, config, tokens[:, :-1])
        hidden = decoder.forward(params, config, x, positions, ones, execution)
        total, _ = tiled_cross_entropy(params.embedding, hidden, tokens[:, 1:], ones, TILE)
        return total / ones.size

    def update(params: decoder.Params, moments: optax.OptState) -> tuple[decoder.Params, optax.OptState, jax.Array]:
        value, gradient = jax.value_and_grad(loss)(params)
        change, moments = optimizer.update(gradient, moments, params)
        return optax.apply_updates(params, change), moments, value

    program = jax.jit(update, donate_argnums=(0, 1))
    state = [weights.init(decoder.specs(config), jax.random.key(0))]
    state.append(optimizer.init(state[0]))

    def step() -> float:
        *state[:], value = program(*state)
        return float(value)

    count = weights.count(decoder.specs(config))
    report("Polymath-V", count, measure(step, steps), tokens=size.batch * size.length, loss=step())


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
