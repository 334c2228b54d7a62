"""One training step of the gemma library's transformer at the same sizes. `gemma_decoder.py WIDTH STEPS`."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
from gemma import gm
from sizes import DECODERS
from timing import measure, report


def main(width: int, steps: int) -> None:
    size = DECODERS[width]
    config = gm.nn.config.TransformerConfig(
        num_embed=size.vocabulary,
        embed_dim=size.width,
        hidden_dim=size.mlp,
        num_heads=size.heads,
        num_kv_heads=size.heads,
        head_dim=size.width // size.heads,
        final_logit_softcap=None,
        use_post_attn_norm=False,
        use_post_ffw_norm=False,
        attention_types=(gm.nn.config.AttentionType.GLOBAL,) * size.depth,
    )
    model = gm.nn.Transformer(config=config, dtype=jnp.float32, tokens="tokens")
    tokens = jnp.asarray(np.random.default_rng(0).integers(4, size.vocabulary, (size.batch, size.length + 1)))
    optimizer = optax.adamw(1e-4)

    def loss(params: dict) -> jax.Array:
        logits = model.apply({"params": params}, tokens[:, :-1]).logits
        return optax.softmax_cross_entropy_with_integer_labels(logits, tokens[:, 1:]).mean()

    def update(params: dict, moments: optax.OptState) -> tuple[dict, optax.OptState, jax.Array]:
        value, gradient = jax.value_and_grad(loss)(params)
        change, moments = optimizer.update(gradient, moments, params)
        return optax.apply_updates(params, change), moments, value

    program = jax.jit(update, donate_argnums=(0, 1))
    state = [model.init(jax.random.key(0), tokens[:, :-1])["params"]]
    state.append(optimizer.init(state[0]))

    def step() -> float:
        *state[:], value = program(*state)
        return float(value)

    count = sum(leaf.size for leaf in jax.tree.leaves(state[0]))
    report("gemma library", count, measure(step, steps), tokens=size.batch * size.length, loss=step())


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
