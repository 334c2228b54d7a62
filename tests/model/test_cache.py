"""Cached = uncached: the forward pass over the whole sequence is the reference, however it is cut into appends."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polymath import specs as weights
from polymath.errors import ConfigError
from polymath.model import cache as kv
from polymath.model import decoder
from polymath.model.execution import Execution

CONFIG = decoder.Config(vocabulary=64, width=24, depth=2, heads=4, kv_heads=2, head_width=8, mlp=48, context=64)
LENGTH, STEP = 12, 12
PARAMS = jax.jit(lambda key: weights.init(decoder.specs(CONFIG), key))(jax.random.key(0))
X = jax.random.normal(jax.random.key(1), (2, LENGTH, CONFIG.width))
append = jax.jit(kv.append, static_argnums=1)


@jax.jit
def uncached(x: jax.Array) -> jax.Array:
    positions, segments = jnp.arange(x.shape[1])[None].repeat(len(x), 0), jnp.ones(x.shape[:2], int)
    return decoder.forward(PARAMS, CONFIG, x, positions, segments, Execution(remat="none"))


REFERENCE = np.asarray(uncached(X))

splits = st.lists(st.integers(1, LENGTH), min_size=1, max_size=LENGTH).map(
    lambda parts: [p for p in np.diff([0, *np.minimum(np.cumsum(parts), LENGTH), LENGTH]).tolist() if p]
)


@settings(max_examples=25)
@given(splits, splits)
def test_every_split_of_ragged_rows_gives_the_uncached_hidden_states(first: list[int], second: list[int]) -> None:
    """Both rows are cut their own way; a row with nothing left appends 0 tokens."""
    cache = kv.empty(CONFIG, 2, LENGTH + 3)
    rounds = max(len(first), len(second))
    cuts = np.array([parts + [0] * (rounds - len(parts)) for parts in (first, second)])
    done = np.zeros(2, int)
    for new in cuts.T:
        x = np.full((2, STEP, CONFIG.width), 1e3, np.float32)  # the filling must leave no trace
        for row in range(2):
            x[row, : new[row]] = X[row, done[row] : done[row] + new[row]]
        hidden, cache = append(PARAMS, CONFIG, cache, jnp.asarray(x), jnp.asarray(new, jnp.int32))
        for row in range(2):
            expected = REFERENCE[row, done[row] : done[row] + new[row]]
            np.testing.assert_allclose(hidden[row, : new[row]], expected, atol=1e-5)
        done += new
    assert cache.lengths.tolist() == [LENGTH, LENGTH]


def test_a_bfloat16_cache_costs_half_and_stays_close() -> None:
    cache = kv.empty(CONFIG, 2, LENGTH, jnp.bfloat16)
    hidden, cache = append(PARAMS, CONFIG, cache, X, jnp.full(2, LENGTH, jnp.int32))
    assert cache.key.dtype == jnp.bfloat16
    assert cache.key.nbytes == CONFIG.depth * 2 * LENGTH * CONFIG.kv_heads * CONFIG.head_width * 2
    np.testing.assert_allclose(hidden, REFERENCE, atol=0.05)


def test_more_than_the_trained_context_is_refused() -> None:
    with pytest.raises(ConfigError, match="65 tokens: the decoder was trained for 64"):
        kv.empty(CONFIG, 1, 65)
    with pytest.raises(ConfigError, match=r"decoder\.rope_scaling"):
        uncached(jnp.zeros((1, 65, CONFIG.width)))
