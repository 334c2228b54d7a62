"""The small functions that several components share: projections and normalisations."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from polymath.model.lora import Adapted


def project(x: Float[Array, "*tokens D"], weight: Float[Array, "*out D"] | Adapted) -> Float[Array, "..."]:
    """Contract the width of every token with the last axis of `weight`: [*tokens, *out].

    The tokens are flattened to one axis first: the weight's gradient is then a single matrix product that needs no
    transposed copy of the activations (2.5 times faster on XLA's CPU backend than the einsum over [B, S, D]).
    """
    if isinstance(weight, Adapted):
        return project(x, weight.base) + weight.scale * project(project(x, weight.lora_down), weight.lora_up)
    y = x.reshape(-1, x.shape[-1]) @ weight.reshape(-1, weight.shape[-1]).T
    return y.reshape(*x.shape[:-1], *weight.shape[:-1])


def project_back(x: Float[Array, "..."], weight: Float[Array, "*inner D"] | Adapted) -> Float[Array, "*tokens D"]:
    """Contract every axis of `weight` but the last with the last axes of x, [*tokens, *inner]: the way back."""
    if isinstance(weight, Adapted):
        low = project_back(x, weight.lora_up)
        return project_back(x, weight.base) + weight.scale * project_back(low, weight.lora_down)
    inner, tokens = math.prod(weight.shape[:-1]), x.shape[: x.ndim - weight.ndim + 1]
    return (x.reshape(-1, inner) @ weight.reshape(inner, -1)).reshape(*tokens, weight.shape[-1])


def rms_norm(x: Float[Array, "... D"], scale: Float[Array, " D"], epsilon: float) -> Float[Array, "... D"]:
    """Root-mean-square normalisation over the last axis (Zhang and Sennrich 2019, arXiv:1910.07467), in float32."""
    x32 = x.astype(jnp.float32)
    y = x32 * jax.lax.rsqrt(jnp.mean(jnp.square(x32), axis=-1, keepdims=True) + epsilon)
    return (y * scale.astype(jnp.float32)).astype(x.dtype)


def layer_norm(
    x: Float[Array, "... D"], scale: Float[Array, " D"], bias: Float[Array, " D"], epsilon: float
) -> Float[Array, "... D"]:
    """Layer normalisation over the last axis (Ba et al. 2016, arXiv:1607.06450), in float32."""
    x32 = x.astype(jnp.float32)
    centred = x32 - jnp.mean(x32, axis=-1, keepdims=True)
    y = centred * jax.lax.rsqrt(jnp.mean(jnp.square(centred), axis=-1, keepdims=True) + epsilon)
    return (y * scale.astype(jnp.float32) + bias.astype(jnp.float32)).astype(x.dtype)
