"""From the names of a weight's axes to its place on the mesh.

    query [64, 128, 7168], axes (heads, head_width, embed), rules fsdp, mesh data_0 8 · data_1 8 · data_2 8
      heads       wants data_0, data_1, data_2: 64 = 8 x 8 takes two of them
      head_width  takes the one left over: 16 rows stay on a chip
      embed       is whole
    -> P((data_0, data_1), data_2, None)

Only matrices are cut over `data` (a norm's 7,168 numbers are not worth a gather), and never below 8 rows, the height of
a TPU's tile: what does not fit stays whole over the remaining axes. Over `model` everything must divide.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import jax
from jax.sharding import NamedSharding, PartitionSpec

from polymath.errors import ConfigError
from polymath.sharding import mesh as meshes
from polymath.sharding.rules import column
from polymath.specs import Spec, is_spec, name_of

Tree = TypeVar("Tree")
MIN_ROWS = 8


@dataclass(frozen=True)
class Partitioner:
    """A mesh with the rules of its column. `jax.sharding.AbstractMesh` does where nothing is computed."""

    mesh: Any
    rules: str = "fsdp"

    @cached_property
    def table(self) -> dict[str, tuple[str, ...]]:
        """Logical axis -> mesh axes of more than one device, `data` written out."""
        return {axis: self._written_out(names) for axis, names in column(self.rules).items()}

    @property
    def batch_axes(self) -> tuple[str, ...]:
        """The mesh axes that hold different sequences; the training step spells out the communication over these."""
        return self.table["batch"]

    @property
    def batch_shards(self) -> int:
        return self.size(self.batch_axes)

    @property
    def manual_axes(self) -> frozenset[str]:
        """All axes but `model`, if `model` divides matrix products: that communication is the compiler's."""
        products = {"model"} if self.mesh.shape["model"] > 1 and "model" not in self.batch_axes else set()
        return frozenset(self.mesh.axis_names) - products

    @property
    def residual(self) -> tuple[str | None, str | None, str | None] | None:
        """Mesh axis of each of B, S, D of the residual stream that the compiler places; None: nothing to say."""
        sequence, width = (self.table[axis][0] if self.table[axis] else None for axis in ("sequence", "residual"))
        return (None, sequence, width) if sequence or width else None

    @property
    def heads(self) -> str | None:
        """The mesh axis over which the compiler divides the attention's heads."""
        axes = [axis for axis in self.table["query_heads"] if axis not in self.batch_axes]
        return axes[0] if axes else None

    @property
    def platform(self) -> str:
        """cpu, gpu or tpu."""
        return str(self.mesh.devices.flat[0].platform)

    def size(self, axes: tuple[str, ...]) -> int:
        return math.prod(self.mesh.shape[axis] for axis in axes)

    def sharding(self, spec: PartitionSpec) -> NamedSharding:
        return NamedSharding(self.mesh, spec)

    def batch_sharding(self) -> NamedSharding:
        """Of every array of a `Batch`: the rows divided, the rest whole."""
        return self.sharding(PartitionSpec(self.batch_axes or None))

    def specs(self, specs: Tree) -> Tree:
        """The PartitionSpec of every weight. Raises ConfigError naming a weight whose axis does not divide."""
        return jax.tree_util.tree_map_with_path(
            lambda path, spec: self.place(name_of(path), spec), specs, is_leaf=is_spec
        )

    def shardings(self, specs: Tree) -> Tree:
        """The NamedSharding of every weight."""
        return jax.tree_util.tree_map_with_path(
            lambda path, spec: self.sharding(self.place(name_of(path), spec)), specs, is_leaf=is_spec
        )

    def place(self, name: str, spec: Spec) -> PartitionSpec:
        """Raises ConfigError with the remedy if an axis does not divide."""
        entries: list[tuple[str, ...]] = []
        left_over: tuple[str, ...] = ()
        for number, (size, axis) in enumerate(zip(spec.shape, spec.axes, strict=True)):
            axes = left_over if axis == "head_width" else self.table[axis] if axis else ()
            rows = MIN_ROWS if number >= len(spec.shape) - 2 else 1
            taken = self._take(name, spec, size, axis, axes, rows)
            left_over = tuple(name for name in axes if name not in taken)
            entries.append(taken)
        self._check_spread(name, spec, entries)
        return PartitionSpec(*(entry or None for entry in entries))

    def _take(
        self, name: str, spec: Spec, size: int, axis: str | None, axes: tuple[str, ...], rows: int
    ) -> tuple[str, ...]:
        taken: list[str] = []
        for mesh_axis in axes:
            parts = self.mesh.shape[mesh_axis] * self.size(tuple(taken))
            if mesh_axis not in self.batch_axes and mesh_axis == "model":
                self._check_divides(name, size, axis, self.mesh.shape[mesh_axis])
            elif not _is_matrix(spec) or size % parts or size // parts < rows:
                continue
            taken.append(mesh_axis)
        return tuple(taken)

    def _check_divides(self, name: str, size: int, axis: str | None, parts: int) -> None:
        if size % parts:
            below, above = size // parts * parts, -(-size // parts) * parts
            raise ConfigError(
                f"{name}: its axis {axis!r} of {size} does not divide over model = {parts}; make it "
                f"{f'{below} or ' if below else ''}{above}, choose another mesh.model, or mesh.rules=fsdp"
            )

    def _check_spread(self, name: str, spec: Spec, entries: list[tuple[str, ...]]) -> None:
        axes = {axis for names in spec.axes if names for axis in self.table[names]} if _is_matrix(spec) else set()
        if axes and not any(entries):
            cut = ", ".join(
                f"{axis} = {size}"
                for axis, size in zip(spec.axes, spec.shape, strict=True)
                if axis and self.table[axis]
            )
            raise ConfigError(
                f"{name}: nothing of {list(spec.shape)} divides over the mesh ({cut}; data = "
                f"{self.size(tuple(a for a in self.mesh.axis_names if a.startswith('data')))}); make mesh.data a power "
                "of two or a divisor of that axis"
            )

    def _written_out(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The mesh axes of more than one device, each once; "ring" is the last one of `data`."""
        axes: list[str] = []
        large = [axis for axis in self.mesh.axis_names if self.mesh.shape[axis] > 1]
        for name in names:
            family = "data" if name == "ring" else name
            members = [axis for axis in large if axis.split("_")[0] == family]
            axes += [axis for axis in (members[-1:] if name == "ring" else members) if axis not in axes]
        return tuple(axes)


def partitioner(config: meshes.Config, devices: Any = None) -> Partitioner:
    """The mesh of `config` over the devices (all, if None), with its rules."""
    return Partitioner(meshes.build(config, devices), config.rules)


def axes_of(entry: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """The mesh axes of one dimension of a PartitionSpec."""
    return (entry,) if isinstance(entry, str) else tuple(entry or ())


def _is_matrix(spec: Spec) -> bool:
    return any(axis is not None and axis.endswith("embed") for axis in spec.axes)
