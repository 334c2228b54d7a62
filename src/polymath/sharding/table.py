"""The sharding table of a model, for people: one line a weight. Golden files hold it for every preset."""

import jax
from jax.sharding import AbstractMesh, PartitionSpec

from polymath.sharding import mesh as meshes
from polymath.sharding.placement import Partitioner, axes_of
from polymath.specs import Spec, named


def abstract_partitioner(config: meshes.Config, extents: tuple[int, ...] | None = None) -> Partitioner:
    """The mesh without its devices; `extents` is the torus of a slice, None elsewhere."""
    split = meshes.data_split(config, extents)
    names = ("replica", *meshes.data_axes(len(split)), "model")
    kinds = (jax.sharding.AxisType.Auto,) * len(names)
    return Partitioner(AbstractMesh((config.replica, *split, config.model), names, axis_types=kinds), config.rules)


def sharding_table(specs: object, partitioner: Partitioner) -> str:
    """Name, global shape, mesh axes of each dimension, and the shape that a device holds, in aligned columns."""
    rows = [("weight", "shape", "mesh axes", "on a device")]
    for name, spec in named(specs):
        place = partitioner.place(name, spec)
        rows.append((name, _times(spec.shape), _written(place), _times(local_shape(spec, place, partitioner))))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return _heading(partitioner) + "\n" + "\n".join(lines) + "\n"


def local_shape(spec: Spec, place: PartitionSpec, partitioner: Partitioner) -> tuple[int, ...]:
    """What one device holds of a weight."""
    return tuple(size // partitioner.size(axes_of(axes)) for size, axes in zip(spec.shape, place, strict=True))


def _heading(partitioner: Partitioner) -> str:
    axes = " · ".join(f"{name} {size}" for name, size in partitioner.mesh.shape.items())
    return f"rules {partitioner.rules}, mesh {axes}, batch over ({', '.join(partitioner.batch_axes)})"


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "scalar"


def _written(place: PartitionSpec) -> str:
    return ", ".join("+".join(axes_of(axes)) or "-" for axes in place) or "-"
