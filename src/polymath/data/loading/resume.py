"""Where a loader stands, as one small record that restores on any number of hosts and workers that divides the batch.

    state = {"step": 1200, "seed": 0, "batch_rows": 2048, "data": "…"}

A run keeps it in RUN/loader/PHASE.json to refuse another stream of batches; its own step is in the checkpoint.
"""

from dataclasses import dataclass
from pathlib import Path

from polymath import config
from polymath.errors import ConfigError


@dataclass(frozen=True)
class LoaderState:
    """`step` is the next batch; `data` is the data set's identity, so that a state is not restored for another one."""

    step: int
    seed: int
    batch_rows: int
    data: str

    def save(self, path: Path) -> None:
        config.save(self, path)

    def check(self, other: "LoaderState", path: Path) -> int:
        """The step to continue from. Raises ConfigError if `other`, read from `path`, is of another stream."""
        for name in ("seed", "batch_rows", "data"):
            ours, theirs = getattr(self, name), getattr(other, name)
            if ours != theirs:
                raise ConfigError(
                    f"{path}, {name}: {theirs!r} there, but {ours!r} is asked for; the order would differ"
                )
        return other.step


def load_state(path: Path) -> LoaderState:
    return config.load(LoaderState, path)
