"""The small functions that several components share: projections and normalisations."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from polymath.model.int8 import Quantised
from polymath.model.lora import Adapted
from polymath.sharding.products import GatheredWeight, times, times_transposed
from polymath.specs import Leaf

Weight = Array | Adapted | Quantised | GatheredWeight


def project(x: Float[Array, "*tokens D"], weight: Weight) -> Float[Array, "..."]:
    """Contract the width of every token with the last axis of `weight` [*out, D]: [*tokens, *out].

    The tokens are flattened to one axis first: the weight's gradient is then a single matrix product that needs no
    transposed copy of the activations (2.5 times faster on XLA's CPU backend than the einsum over [B, S, D]).
    """
    if isinstance(weight, Adapted):
        return project(x, weight.base) + weight.scale * project(project(x, weight.lora_down), weight.lora_up)
    if isinstance(weight, Quantised):
        weight = weight.whole()
    flat = x.reshape(-1, x.shape[-1])
    if isinstance(weight, GatheredWeight):
        y = times_transposed(flat, weight)
    else:
        y = flat @ weight.reshape(-1, weight.shape[-1]).T
    return y.reshape(*x.shape[:-1], *weight.shape[:-1])


def project_back(x: Float[Array, "..."], weight: Weight) -> Float[Array, "*tokens D"]:
    """The way back: contract all axes of `weight` [*inner, D] but the last with the last of x [*tokens, *inner]."""
    if isinstance(weight, Adapted):
        low = project_back(x, weight.lora_up)
        return project_back(x, weight.base) + weight.scale * project_back(low, weight.lora_down)
    if isinstance(weight, Quantised):
        weight = weight.whole()
    inner, tokens = math.prod(weight.shape[:-1]), x.shape[: x.ndim - weight.ndim + 1]
    flat = x.reshape(-1, inner)
    y = times(flat, weight) if isinstance(weight, GatheredWeight) else flat @ weight.reshape(inner, -1)
    return y.reshape(*tokens, weight.shape[-1])


def rms_norm(x: Float[Array, "... D"], scale: Float[Leaf, " D"], epsilon: float) -> Float[Array, "... D"]:
    """Root-mean-square normalisation over the last axis (Zhang and Sennrich 2019, arXiv:1910.07467), in float32."""
    x32 = x.astype(jnp.float32)
    y = x32 * jax.lax.rsqrt(jnp.mean(jnp.square(x32), axis=-1, keepdims=True) + epsilon)
    return (y * scale.astype(jnp.float32)).astype(x.dtype)


def layer_norm(
    x: Float[Array, "... D"], scale: Float[Leaf, " D"], bias: Float[Leaf, " D"], epsilon: float
) -> Float[Array, "... D"]:
    """Layer normalisation over the last axis (Ba et al. 2016, arXiv:1607.06450), in float32."""
    x32 = x.astype(jnp.float32)
    centred = x32 - jnp.mean(x32, axis=-1, keepdims=True)
    y = centred * jax.lax.rsqrt(jnp.mean(jnp.square(centred), axis=-1, keepdims=True) + epsilon)
    return (y * scale.astype(jnp.float32) + bias.astype(jnp.float32)).astype(x.dtype)
