"""Rotary position embeddings, and the ways to use a trained model beyond its trained context.

Channel i of a head is rotated against channel i + E/2 by position * f_i with f_i = theta^(-2i/E) (Su et al. 2021,
arXiv:2104.09864, eq. 15; the half-split layout of LLaMA checkpoints). A scaling only changes the E/2 frequencies, and
for YaRN the length of the rotated vectors.
"""

import math
from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


@dataclass(frozen=True)
class Linear:
    """Position interpolation (Chen et al. 2023, arXiv:2306.15595): every frequency divided by `factor`."""

    factor: float
    kind: Literal["linear"] = "linear"


@dataclass(frozen=True)
class NtkAware:
    """NTK-aware interpolation (Peng et al. 2023, arXiv:2309.00071, section 3.1): a larger base.

    The fastest channel stays as it is, the slowest is slowed down by `factor`.
    """

    factor: float
    kind: Literal["ntk"] = "ntk"


@dataclass(frozen=True)
class Yarn:
    """YaRN (Peng et al. 2023, arXiv:2309.00071, sections 3.2 to 3.4): slow channels are interpolated, fast ones kept.

    trained: context of the original training in tokens; fast, slow: rotations within it that bound the ramp; truncate:
    whether those bounds are rounded outwards to whole channels; magnitude: factor on the length of rotated queries and
    keys, by default 0.1 ln(factor) + 1 (eq. 22).
    """

    factor: float
    trained: int
    fast: float = 32.0
    slow: float = 1.0
    truncate: bool = True
    magnitude: float | None = None
    kind: Literal["yarn"] = "yarn"


@dataclass(frozen=True)
class Llama3:
    """Llama 3.1's ramp over wavelengths: those above trained/low are interpolated, those below trained/high kept."""

    factor: float
    trained: int
    low: float = 1.0
    high: float = 4.0
    kind: Literal["llama3"] = "llama3"


@dataclass(frozen=True)
class LongRope:
    """LongRoPE (Ding et al. 2024, arXiv:2402.13753): each frequency divided by a factor of its own, found by search.

    factors: those for sequences of at most `trained` tokens; magnitude: as YaRN's.
    """

    factors: tuple[float, ...]
    trained: int
    magnitude: float = 1.0
    kind: Literal["longrope"] = "longrope"


Scaling = Linear | NtkAware | Yarn | Llama3 | LongRope


def frequencies(head_width: int, theta: float, scaling: Scaling | None = None) -> Float[Array, " half"]:
    """Radians per position of each pair of channels, float32."""
    match scaling:
        case NtkAware(factor=factor):
            return _plain(head_width, theta * factor ** (head_width / (head_width - 2)))
        case Linear(factor=factor):
            return _plain(head_width, theta) / factor
        case Yarn():
            return _yarn(head_width, theta, scaling)
        case Llama3():
            return _llama3(_plain(head_width, theta), scaling)
        case LongRope(factors=factors):
            return _plain(head_width, theta) / jnp.array(factors)
    return _plain(head_width, theta)


def magnitude(scaling: Scaling | None) -> float:
    """Factor on the length of rotated queries and keys: its own, or YaRN's 0.1 ln(factor) + 1 (eq. 22); else 1."""
    if isinstance(scaling, LongRope):
        return scaling.magnitude
    if not isinstance(scaling, Yarn):
        return 1.0
    if scaling.magnitude is not None:
        return scaling.magnitude
    return 0.1 * math.log(scaling.factor) + 1.0 if scaling.factor > 1 else 1.0


def angles(positions: Int[Array, "B S"], frequencies: Float[Array, " half"]) -> Float[Array, "B S half"]:
    return positions[..., None].astype(jnp.float32) * frequencies


def rotate(
    x: Float[Array, "B S H E"], angles: Float[Array, "B S half"], magnitude: float = 1.0, width: int | None = None
) -> Float[Array, "B S H E"]:
    """Rotate channel i against channel i + E/2, in float32; only the first `width` channels, if that is given."""
    if width is not None:
        rotated, rest = jnp.split(x, [width], axis=-1)
        return jnp.concatenate([rotate(rotated, angles, magnitude), rest], axis=-1)
    cos, sin = jnp.cos(angles)[:, :, None], jnp.sin(angles)[:, :, None]
    if magnitude != 1.0:
        cos, sin = magnitude * cos, magnitude * sin
    first, second = jnp.split(x.astype(jnp.float32), 2, axis=-1)
    return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1).astype(x.dtype)


def _plain(head_width: int, theta: float) -> Float[Array, " half"]:
    return theta ** (-jnp.arange(0, head_width, 2, dtype=jnp.float32) / head_width)


def _yarn(head_width: int, theta: float, scaling: Yarn) -> Float[Array, " half"]:
    def channel(rotations: float) -> float:
        """Which pair of channels turns that often within the trained context (eq. 17, solved for the channel)."""
        return head_width * math.log(scaling.trained / (rotations * 2 * math.pi)) / (2 * math.log(theta))

    first, last = channel(scaling.fast), channel(scaling.slow)
    if scaling.truncate:
        first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, head_width - 1)
    length = last - first if last != first else 1e-3  # as transformers' `linear_ramp_factor`
    ramp = jnp.clip((jnp.arange(head_width // 2) - first) / length, 0.0, 1.0)
    plain = _plain(head_width, theta)
    return plain / scaling.factor * ramp + plain * (1.0 - ramp)


def _llama3(plain: Float[Array, " half"], scaling: Llama3) -> Float[Array, " half"]:
    rotations = scaling.trained * plain / (2 * math.pi)  # within the trained context
    share = jnp.clip((rotations - scaling.low) / (scaling.high - scaling.low), 0.0, 1.0)  # of the plain frequency
    return plain / scaling.factor * (1.0 - share) + plain * share
