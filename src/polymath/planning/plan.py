"""What is planned: a workload on chips, laid out and executed in one way."""

from collections.abc import Mapping
from dataclasses import dataclass

from polymath.errors import ConfigError
from polymath.planning import remat as policies
from polymath.planning.topology import Mesh, Topology
from polymath.planning.workload import Workload


@dataclass(frozen=True)
class Plan:
    """accumulation: micro-batches a step; gradient_bytes: 2 or 4, of the reduction over the data axis; tile: tokens of
    one tile of the cross-entropy; frozen_bytes: of a frozen weight in storage; rings: of the torus that one reduction
    of gradients spans at once (the compiler makes a reduce-scatter over three rings of v4 an all-reduce); ring: chips
    that divide the vocabulary among them in the lookup and the loss and share their tokens instead; hops: chips of the
    ring around which the layers' gradients travel while they are computed, 1: none does; alone: of a single device, the
    bytes that its step holds, by category (`one_device`).
    """

    workload: Workload
    topology: Topology
    mesh: Mesh
    remat: str = "full"
    accumulation: int = 1
    gradient_bytes: int = 4
    frozen_bytes: int = 4
    tile: int = 1024
    rings: int = 2
    ring: int = 1
    hops: int = 1
    alone: Mapping[str, int] | None = None

    def __post_init__(self) -> None:
        policies.policy(self.remat)
        rows, shards = self.workload.sequences, self.mesh.replica * self.mesh.data
        if rows % (shards * self.accumulation):
            each = f" in {self.accumulation} micro-batches" if self.accumulation > 1 else ""
            raise ConfigError(
                f"--batch {rows}: does not divide over replica x data = {shards} shards{each}; take a multiple of "
                f"{shards * self.accumulation}, or a mesh with a larger model axis"
            )

    @property
    def tokens(self) -> int:
        """Tokens of a micro-batch that one group of `model` chips computes together."""
        return self.workload.tokens // (self.mesh.replica * self.mesh.data * self.accumulation)

    @property
    def shards(self) -> int:
        """Chips that share one copy of the weights."""
        return self.mesh.data * self.mesh.model
