"""Checkpoints by orbax: atomic, the newest few kept, restored straight into the wanted shapes and dtypes."""

import math
from pathlib import Path
from types import TracebackType

import jax
import orbax.checkpoint as ocp

from polymath.errors import CheckpointError
from polymath.files import disk_errors
from polymath.model import polymath_v
from polymath.sharding.placement import Partitioner
from polymath.training import optimizer
from polymath.training.step import State, abstract_state

CHUNK_BYTES = 64 * 2**20
"""An array's part of a file. A chunk is read as a whole and unpacked beside the array: larger ones cost more memory,
and more of what a restart on another mesh reads is not its own."""


class Checkpoints:
    """The checkpoints of one phase; use as a context manager, so that pending writes are finished."""

    def __init__(self, directory: Path, every: int, keep: int = 2) -> None:
        self.directory = Path(directory).absolute()
        options = ocp.CheckpointManagerOptions(
            save_interval_steps=every, max_to_keep=keep, create=True, enable_async_checkpointing=True
        )
        self._manager = ocp.CheckpointManager(self.directory, options=options)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with disk_errors(self.directory):
            self._manager.close()

    def latest(self) -> int | None:
        return self._manager.latest_step()

    def save(self, state: State, *, now: bool = False) -> None:
        """Save if the interval says so, or `now`. The step is the number of batches seen."""
        step = int(state.step)
        if now and self._manager.latest_step() == step:
            return
        chunks = jax.tree.map(lambda _: ocp.SaveArgs(chunk_byte_size=CHUNK_BYTES), state)
        with disk_errors(self.directory):
            self._manager.save(step, args=ocp.args.StandardSave(state, save_args=chunks), force=now)

    def restore(self, target: State) -> State:
        """The newest state, in the shapes of `target` (abstract or real); beside it no more than its largest array is
        held. Raises CheckpointError if it does not fit.
        """
        self._manager.wait_until_finished()
        step = self._manager.latest_step()
        if step is None:
            raise CheckpointError(f"{self.directory}: holds no checkpoint yet; train first")
        handler = ocp.StandardCheckpointHandler(restore_concurrent_gb=reading_limit(target))
        try:
            with ocp.CheckpointManager(self.directory, item_handlers=handler) as reader:
                return reader.restore(step, args=ocp.args.StandardRestore(target))
        except (ValueError, KeyError, FileNotFoundError) as error:
            raise CheckpointError(f"{self.directory / str(step)}: does not fit the recipe: {error}") from error


def newest_step(directory: Path) -> int:
    """The step of the newest checkpoint. Raises CheckpointError if there is none."""
    if not has_checkpoint(directory):
        missing = "holds no checkpoint yet" if Path(directory).is_dir() else "no such directory"
        raise CheckpointError(f"{directory}: {missing}; train that phase first")
    return max(int(path.name) for path in Path(directory).iterdir() if path.name.isdigit())


def has_checkpoint(directory: Path) -> bool:
    """Whether at least one checkpoint in `directory` is complete (orbax renames one when it is)."""
    return Path(directory).is_dir() and any(path.name.isdigit() for path in Path(directory).iterdir())


def reading_limit(target: State) -> float:
    """GB on their way from a checkpoint at a time: the largest array of `target`, which has to fit as a whole because
    a file's chunks may be those of another mesh, and the byte more that orbax asks for.
    """
    return (1 + max(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(target))) / 1e9


def load_params(
    directory: Path, model: polymath_v.Config, config: optimizer.Config, partitioner: Partitioner | None = None
) -> polymath_v.Params:
    """The weights of a phase's newest checkpoint. Raises CheckpointError if there is none."""
    newest_step(directory)
    with Checkpoints(directory, every=1) as checkpoints:
        state = checkpoints.restore(abstract_state(model, config, partitioner))
    return optimizer.merge(state.trainable, state.frozen, polymath_v.specs(model))
