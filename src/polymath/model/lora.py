"""Low-rank adapters (Hu et al. 2021, arXiv:2106.09685) on any projection, chosen by name.

An adapted weight W stands in the parameters as `Adapted(base, lora_down, lora_up)`, and `layers.project` computes

    x W' + alpha / rank * (x down') up'        without ever forming the sum

so training keeps only the adapters' gradients when the rest is frozen (`polymath.training.adapters`). `merge` gives
plain weights again.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
from jax.tree_util import KeyPath
from jax.typing import DTypeLike
from jaxtyping import Float, PRNGKeyArray

from polymath.errors import ConfigError
from polymath.sharding.sharded_weight import gather_weights
from polymath.specs import Constant, Leaf, Normal, Spec, Tree, draw, is_spec, name_of, named

# Looked up or added, not projected with: an adapter has no place there.
UNPROJECTED = r".*(embedding|output|latents|positions|class_token|bias)"


@dataclass(frozen=True)
class Config:
    """targets: a regular expression over whole names of weights, like `decoder\\.blocks\\.(query|key_value|out)`."""

    targets: str
    rank: int = 16
    alpha: float = 16.0

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ConfigError(f"adapters.rank: {self.rank}; it must be 1 or more")
        try:
            re.compile(self.targets)
        except re.error as error:
            raise ConfigError(f"adapters.targets: {self.targets!r} is no regular expression ({error})") from None


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Adapted:
    """base [*rows, D], lora_down [R, D], lora_up [*rows, R]; all with a leading layer axis while stacked."""

    base: Float[Leaf, "*rows D"]
    lora_down: Float[Leaf, "*layer R D"]
    lora_up: Float[Leaf, "*rows R"]
    scale: float = field(metadata={"static": True})

    @property
    def shape(self) -> tuple[int, ...]:
        return self.base.shape

    def astype(self, dtype: DTypeLike) -> "Adapted":
        return gather_weights(self, dtype)

    def __getitem__(self, row: int) -> "Adapted":
        """The part of the first of `rows` axes, for fused weights like `key_value`."""
        return Adapted(self.base[row], self.lora_down, self.lora_up[row], self.scale)

    def __iter__(self) -> Iterator["Adapted"]:
        return (self[row] for row in range(len(self.base)))


def specs(tree: Tree, config: Config) -> Tree:
    """The specs of a model with adapters at the targets; `up` starts at zero, so the model starts as it was.

    Raises ConfigError if nothing matches, or something that is no matrix to project with.
    """
    if not any(re.fullmatch(config.targets, name) for name, _ in named(tree)):
        raise ConfigError(
            f"adapters.targets: {config.targets!r} matches no weight; names are like decoder.blocks.query"
        )

    def adapt(path: KeyPath, spec: Spec) -> Spec | Adapted:
        name = name_of(path)
        return _adapted(name, spec, config) if re.fullmatch(config.targets, name) else spec

    return jax.tree_util.tree_map_with_path(adapt, tree, is_leaf=is_spec)


def attach(params: Tree, specs: Tree, key: PRNGKeyArray) -> Tree:
    """Weights with fresh adapters where `specs` (of the adapted model) has some and `params` has none yet."""

    def fresh(path: KeyPath, spec: Spec | Adapted, weight: Leaf) -> Leaf:
        if isinstance(spec, Spec) or isinstance(weight, Adapted):
            return weight
        name = name_of(path)
        down = draw(f"{name}.lora_down", spec.lora_down, key, weight.dtype)
        up = draw(f"{name}.lora_up", spec.lora_up, key, weight.dtype)
        return Adapted(weight, down, up, spec.scale)

    return jax.tree_util.tree_map_with_path(
        fresh, specs, params, is_leaf=lambda leaf: is_spec(leaf) or isinstance(leaf, Adapted)
    )


def merge(params: Tree) -> Tree:
    """Plain weights: base + scale * up down."""

    def merged(weight: Leaf) -> Leaf:
        if not isinstance(weight, Adapted):
            return weight
        product = jnp.einsum("L...R,LRD->L...D" if weight.lora_down.ndim == 3 else "...R,RD->...D",
                             weight.lora_up, weight.lora_down)  # fmt: skip
        return weight.base + weight.scale * product

    return jax.tree.map(merged, params, is_leaf=lambda leaf: isinstance(leaf, Adapted))


def _adapted(name: str, spec: Spec, config: Config) -> Adapted:
    layered = int(spec.axes[:1] == ("layers",))
    if len(spec.shape) - layered < 2 or re.fullmatch(UNPROJECTED, name):
        raise ConfigError(f"adapters.targets: {config.targets!r} matches {name}, which is no matrix to project with")
    rank, lead, lead_axes = config.rank, spec.shape[:layered], spec.axes[:layered]
    down = Spec((*lead, rank, spec.shape[-1]), (*lead_axes, None, spec.axes[-1]), Normal(spec.shape[-1]))
    up = Spec((*spec.shape[:-1], rank), (*spec.axes[:-1], None), Constant(0.0))
    return Adapted(spec, down, up, config.alpha / rank)
