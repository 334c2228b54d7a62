"""The weights of a checkpoint alone, some at a time: no optimizer state is read, and no more than 256 MiB or the
largest array is held beside what the caller keeps.

for name, weight in stored_weights(run.checkpoints("robot"), model, places):
    …                                   float32 [*shape], as it was saved, its checksum compared; use it and let it go
"""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
from jaxtyping import Array, Float

from polymath.errors import CheckpointError
from polymath.model import polymath_v
from polymath.specs import Spec, named
from polymath.training import checkpoints
from polymath.training.checkpoint_choice import NEWEST, chosen_step
from polymath.training.quiet import no_library_log, quiet_threads

Places = Callable[[str, Spec], jax.sharding.Sharding]
TOGETHER = 256 * 2**20  # bytes that are read in one call: an array by itself costs 20 ms
GROUPS = ("trainable", "frozen")  # of `polymath.training.step.State`


def stored_weights(
    directory: Path, model: polymath_v.Config, places: Places, checkpoint: str | int = NEWEST
) -> Iterator[tuple[str, Float[Array, "..."]]]:
    """(name, weight) of every weight of a checkpoint, in the order of `polymath_v.specs`, each at its place.

    `checkpoint`: see `chosen_step`.
    Raises CheckpointError if there is none, one does not fit the model, or an array is damaged.
    """
    directory = Path(directory).absolute()
    step = chosen_step(directory, checkpoint)
    place = directory / str(step)
    sums, specs = checkpoints.stored_sums(place), dict(named(polymath_v.specs(model)))
    sizes = {name: 4 * math.prod(spec.shape) for name, spec in specs.items()}
    handler = ocp.PyTreeCheckpointHandler(restore_concurrent_gb=(1 + max(sizes.values())) / 1e9)
    with no_library_log(), checkpoints.open_reader(directory, handler) as reader:
        with quiet_threads(), checkpoints.damage_errors(place):
            metadata = reader.item_metadata(step)
            tree = getattr(metadata, "tree", metadata)
            stored = {name: (group, tree[group][name]) for group in GROUPS for name in tree.get(group) or {}}
        _check_fits(place, stored, specs)
        for names in together(sizes):
            target: dict[str, dict[str, Any]] = {}
            for name in names:
                group, leaf = stored[name]
                sharding = places(name, specs[name])
                struct = jax.ShapeDtypeStruct(specs[name].shape, leaf.dtype, sharding=sharding)
                target.setdefault(group, {})[name] = struct
            with quiet_threads(), checkpoints.damage_errors(place):
                weights = _restored(reader, step, target)
            checkpoints.check_sums(place, sums, weights, target)
            for name in names:
                yield name, weights[stored[name][0]].pop(name)


def together(sizes: dict[str, int], most: int = TOGETHER) -> list[list[str]]:
    """Names in their order, in groups of at most `most` bytes unless one array is larger."""
    groups: list[list[str]] = []
    total = 0
    for name, size in sizes.items():
        if not groups or total + size > most:
            groups.append([])
            total = 0
        groups[-1].append(name)
        total += size
    return groups


def _restored(reader: ocp.CheckpointManager, step: int, target: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """These arrays of the checkpoint, and nothing else of it."""
    arguments = ocp.checkpoint_utils.construct_restore_args(target)
    restore = ocp.args.PyTreeRestore(item=target, restore_args=arguments, partial_restore=True)
    weights: dict[str, dict[str, Any]] = reader.restore(step, args=restore)
    return weights


def _check_fits(place: Path, stored: dict[str, tuple[str, Any]], specs: dict[str, Spec]) -> None:
    """Raise CheckpointError for the first weight that one side lacks, or has in another shape."""
    for name in [*specs, *stored]:
        theirs = list(stored[name][1].shape) if name in stored else "nothing"
        ours = list(specs[name].shape) if name in specs else "nothing"
        if theirs != ours:
            raise CheckpointError(checkpoints.MISFIT.format(place=place, name=name, theirs=theirs, ours=ours))
