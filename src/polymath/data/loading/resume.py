"""Where a loader stands, as one small record that restores on any number of hosts and workers that divides the batch.

    state = {"step": 1200, "seed": 0, "batch_rows": 2048, "data": "…"}

`rows_of` gives a host its rows of every batch. A training run has no file of its own for it: step and seed are in the
checkpoint and the recipe, the data in data.json.
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


def rows_of(host: int, hosts: int, batch_rows: int) -> range:
    """The rows of every batch that a host loads. Raises ConfigError unless the hosts divide the batch."""
    if hosts < 1 or not 0 <= host < hosts or batch_rows % hosts:
        raise ConfigError(f"host {host} of {hosts}: {batch_rows} rows a batch must be a multiple of the hosts")
    share = batch_rows // hosts
    return range(host * share, (host + 1) * share)
