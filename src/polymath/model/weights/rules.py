"""How each of our weights is made of the tensors of a published layout, and the streaming that carries it out.

A rule names the source tensors of one weight and how they become it, one layer at a time. `assemble` fills one device's
shard of one weight after the other, layer by layer, and hands it over before it begins the next, so beside the devices'
own memory the host holds one shard and the tensors of one layer, never a second copy of the model.
"""

import gc
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from polymath.errors import CheckpointError
from polymath.model.weights.tensors import Tensors
from polymath.specs import Spec, Tree, named


def _same(x: np.ndarray) -> np.ndarray:
    return x


@dataclass(frozen=True)
class Rule:
    """One weight, or one layer of a stacked weight.

    sources: tensor names; `{layer}` stands for the layer's number, without it a stacked source is cut along its first
    axis. build: the sources' arrays -> the weight. optional: zeros for sources that the file has in no layer.
    """

    sources: tuple[str, ...]
    build: Callable[..., np.ndarray] = _same
    optional: bool = False

    def names(self, layers: int | None) -> list[str]:
        return [s.format(layer=i) for s in self.sources for i in range(layers or 1)]


Rules = dict[str, Rule]  # by the name of our weight
Index = tuple[slice, ...]  # one device's part of a weight
Read = Callable[[Index], np.ndarray]


def transposed(x: np.ndarray) -> np.ndarray:
    return x.T


def check_names(rules: Rules, specs: object, tensors: Tensors, expected: Collection[str], hint: str) -> None:
    """Raise CheckpointError for a weight that is missing or that nothing takes. `expected` may stay unused."""
    needed = {
        source for name, spec in named(specs) if not rules[name].optional for source in rules[name].names(_layers(spec))
    }
    for name, spec in named(specs):
        needed |= _begun(rules[name], _layers(spec), tensors)
    _refuse_any(sorted(needed - set(tensors.shapes)), "tensor", "is missing", tensors, hint)
    extra = sorted(set(tensors.shapes) - set(expected))
    _refuse_any(extra, "tensor", "has no place in this model", tensors, hint)


def _begun(rule: Rule, layers: int | None, tensors: Tensors) -> set[str]:
    """Names of an optional rule's sources that at least one layer has: then all must have them."""
    every = [[source.format(layer=i) for i in range(layers or 1)] for source in rule.sources]
    return {name for names in every if any(name in tensors.shapes for name in names) for name in names}


def all_names(rules: Rules, depth: int) -> set[str]:
    """Every tensor that the rules can take."""
    return {source for rule in rules.values() for source in rule.names(depth)}


def assemble(
    specs: Tree,
    rules: Rules,
    tensors: Tensors,
    dtype: DTypeLike = jnp.float32,
    shardings: Tree | None = None,
    hint: str = "",
) -> Tree:
    """The weights of `specs`, each on its sharding (a tree like `specs`; default: the first device) and in `dtype`.

    Raises CheckpointError for a tensor of another shape, with `hint`, which says what the file looks like.
    """
    places = dict(named(shardings)) if shardings is not None else {}
    one_device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    arrays = [
        _place(spec.shape, places.get(name, one_device), _shard_reader(name, spec, rules[name], tensors, dtype, hint))
        for name, spec in named(specs)
    ]
    return jax.tree.unflatten(jax.tree.structure(specs, is_leaf=lambda leaf: isinstance(leaf, Spec)), arrays)


def _place(shape: tuple[int, ...], sharding: jax.sharding.Sharding, read: Read) -> Float[Array, "..."]:
    """Every device's shard in turn (`jax.make_array_from_callback` would hold all of them); replicas are copied."""
    shards: list[Array] = []
    placed: dict[tuple[tuple[int, int, int], ...], Array] = {}
    for device, index in sharding.addressable_devices_indices_map(shape).items():
        part = index or ()
        bounds = tuple(s.indices(n) for s, n in zip(part, shape, strict=True))
        placed[bounds] = jax.block_until_ready(
            jax.device_put(placed[bounds] if bounds in placed else read(part), device)
        )
        gc.collect(0)  # only then does XLA free the host's copy
        shards.append(placed[bounds])
    return jax.make_array_from_single_device_arrays(shape, sharding, shards)


def _shard_reader(name: str, spec: Spec, rule: Rule, tensors: Tensors, dtype: DTypeLike, hint: str) -> Read:
    def whole(layer: int | None, stacks: dict[str, np.ndarray]) -> np.ndarray:
        """The weight, or its given layer; `stacks` keeps stacked sources from layer to layer."""
        shape = spec.shape if layer is None else spec.shape[1:]
        sources = [source.format(layer=layer) for source in rule.sources]
        there = [s for s in sources if s in tensors.shapes or not rule.optional]
        if not there:
            return np.zeros(shape)
        if layer is not None and sources == list(rule.sources):
            if any(tensors.shapes[s][:1] != spec.shape[:1] for s in sources):
                raise misfit(sources, spec.shape)
            stacks.update((s, tensors.read(s)) for s in sources if s not in stacks)
            arrays = [stacks[s][layer] for s in sources]
        else:
            arrays = [tensors.read(s) if s in there else np.zeros(tensors.shapes[there[0]]) for s in sources]
        try:
            value = rule.build(*arrays)
        except (ValueError, IndexError):
            raise misfit(sources, shape) from None
        if value.shape != shape:
            raise misfit(sources, shape)
        return value

    def misfit(sources: Sequence[str], shape: tuple[int, ...]) -> CheckpointError:
        there = [source for source in sources if source in tensors.shapes]
        shapes = ", ".join(f"{source} {list(tensors.shapes[source])}" for source in there)
        return CheckpointError(f"{tensors.path}: {shapes} cannot become {name} {list(shape)}; {hint}")

    def read(index: Index) -> np.ndarray:
        layers = _layers(spec)
        sizes = [len(range(*s.indices(n))) for s, n in zip(index, spec.shape, strict=True)]
        shard, stacks = _aligned(sizes, dtype), dict[str, np.ndarray]()
        if layers is None:
            shard[...] = whole(None, stacks)[index]
            return shard
        for place, layer in enumerate(range(*index[0].indices(layers))):
            shard[place] = whole(layer, stacks)[index[1:]]
        return shard

    return read


def _aligned(shape: Sequence[int], dtype: DTypeLike) -> np.ndarray:
    """Uninitialised memory at a multiple of 64 bytes, which JAX's CPU backend takes over without a copy."""
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    buffer = np.empty(size + 64, np.uint8)
    start = -buffer.ctypes.data % 64
    return buffer[start : start + size].view(dtype).reshape(shape)


def _layers(spec: Spec) -> int | None:
    return spec.shape[0] if spec.axes and spec.axes[0] == "layers" else None


def _refuse_any(names: Sequence[str], subject: str, complaint: str, tensors: Tensors, hint: str) -> None:
    """Raise CheckpointError for the first of the names, if there is one, with a count of the others."""
    if names:
        more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
        raise CheckpointError(f"{tensors.path}: {subject} {names[0]!r}{more}: {complaint}; {hint}")
