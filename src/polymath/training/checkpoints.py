"""Checkpoints by orbax: atomic, the newest few and the best kept, restored into the requested shapes and dtypes.

    PHASE/STEP/default/                what orbax writes: the arrays of the state, cut into chunks
    PHASE/STEP/_CHECKPOINT_METADATA    its "custom_metadata" holds the schema's number (`checkpoint_forms`), a checksum
                                       of every array, and the error on held-out episodes if it was measured there

Orbax finds files that are missing or cut off, but not a changed byte in a chunk. So each array's 32-bit words are added
up (modulo 2^32, on the devices, in any order and on any mesh) when it is saved and again when it is restored.
"""

import hashlib
import json
import math
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from polymath.errors import CheckpointError
from polymath.files import disk_errors
from polymath.model import polymath_v
from polymath.sharding.placement import Partitioner
from polymath.specs import named
from polymath.training import optimizer
from polymath.training.checkpoint_choice import ERROR, NEWEST, Measured, NewestAndBest, best, chosen_step, steps_in
from polymath.training.checkpoint_forms import KEY, SCHEMA, check_schema, in_stored_form, in_todays_form
from polymath.training.processes import is_first
from polymath.training.quiet import full_disk_errors, no_library_log, quiet_threads
from polymath.training.step import State, abstract_state

CHUNK_BYTES = 64 * 2**20
"""An array's part of a file. A chunk is read as a whole and unpacked beside the array: larger ones cost more memory,
and more of what a restart on another mesh reads is not its own."""
SUMS = "checksums"
MISFIT = (
    "{place}: does not fit the recipe: {name} is {theirs} there, the recipe needs {ours}; the run's config.json is "
    "that of another model, or was changed"
)
WORDS = {1: jnp.uint8, 2: jnp.uint16, 4: jnp.uint32}  # by the bytes of a number


class Checkpoints:
    """Writes the checkpoints of one phase; use as a context manager, so that pending writes are finished.

    The newest `keep` stay on disk, and the best of those that were measured (`checkpoint_choice`).
    Raises PolymathError where the disk is full; what was half-written is removed.
    """

    def __init__(self, directory: Path, every: int, keep: int = 2) -> None:
        self.directory = Path(directory).absolute()
        self._kept, self._measured = NewestAndBest(keep, best(self.directory)), Measured(-1, math.nan)
        options = ocp.CheckpointManagerOptions(
            save_interval_steps=every, preservation_policy=self._kept, create=True, enable_async_checkpointing=True
        )
        self._contexts = ExitStack()
        with disk_errors(self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)
            self._remove_unfinished()  # of a run that was killed
            with no_library_log():
                self._manager = _open_manager(self.directory, options=options)

    def __enter__(self) -> "Checkpoints":
        self._contexts.enter_context(no_library_log())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._contexts, self._writing():
            self._manager.close()

    def latest(self) -> int | None:
        return self._manager.latest_step()

    def measured(self, step: int, error: float) -> None:
        """Note the error on held-out episodes at `step`: the checkpoint of that step has it, and the best is saved."""
        self._measured = Measured(step, error)

    def is_due(self, step: int) -> bool:
        """Whether a state after `step` steps is to be saved: the interval says so, or it is the best."""
        return self._manager.latest_step() != step and (
            self._kept.is_better(self._error_at(step)) or self._manager.should_save(step)
        )

    def save(self, state: State, *, now: bool = False) -> None:
        """Save if it is due, or `now`, but no step twice. The step is the number of batches seen."""
        step = int(state.step)
        if self._manager.latest_step() == step or not (now or self.is_due(step)):
            return
        error = self._error_at(step)
        metadata: dict[str, Any] = {KEY: SCHEMA, SUMS: checksums(state)}
        if error is not None and math.isfinite(error):
            metadata[ERROR] = error
        if self._kept.is_better(error):
            self._kept.best = self._measured
        chunks = jax.tree.map(lambda _: ocp.SaveArgs(chunk_byte_size=CHUNK_BYTES), state)
        with self._writing():
            arrays = ocp.args.StandardSave(state, save_args=chunks)
            self._manager.save(step, args=arrays, force=True, custom_metadata=metadata)

    def wait(self) -> None:
        """Until what was saved is on disk."""
        with self._writing():
            self._manager.wait_until_finished()

    def restore(self, target: State) -> State:
        """The newest state, once it is written; see `restore`."""
        self._manager.wait_until_finished()
        return restore(self.directory, target)

    def _error_at(self, step: int) -> float | None:
        return self._measured.error if self._measured.step == step else None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with disk_errors(self.directory):
            try:
                with full_disk_errors(self.directory):
                    yield
            except OSError:
                self._remove_unfinished()
                raise

    def _remove_unfinished(self) -> None:
        if is_first():
            for path in self.directory.glob("*.orbax-checkpoint-tmp*"):
                shutil.rmtree(path, ignore_errors=True)


def newest_step(directory: Path) -> int:
    """The step of the newest checkpoint. Raises CheckpointError if there is none."""
    return chosen_step(directory)


def has_checkpoint(directory: Path) -> bool:
    """Whether at least one checkpoint in `directory` is complete."""
    return bool(steps_in(directory))


def latest_step(directory: Path) -> int | None:
    """The newest finished step of a phase's directory, if there is one."""
    return max(steps_in(directory), default=None)


def restore(directory: Path, target: State, step: int | None = None) -> State:
    """The state of a directory at `step`, or its newest, in the shapes, dtypes and places of `target`.

    Beside it no more than its largest array is held. Raises CheckpointError if there is none, it does not fit, or it is
    damaged.
    """
    directory = Path(directory).absolute()
    step = latest_step(directory) if step is None else step
    if step is None:
        raise CheckpointError(f"{directory}: holds no checkpoint yet; train first")
    place = directory / str(step)
    sums = stored_sums(place)
    handler = ocp.StandardCheckpointHandler(restore_concurrent_gb=reading_limit(target))
    with no_library_log(), open_reader(directory, handler) as reader, damage_errors(place), quiet_threads():
        metadata = reader.item_metadata(step)
        tree = getattr(metadata, "tree", metadata)
        stored = target if tree is None else in_stored_form(target, tree)
        _check_fits(place, tree, stored)
        fields = stored._asdict() if tree is None else {name: stored._asdict()[name] for name in tree}
        state = State(**reader.restore(step, args=ocp.args.StandardRestore(fields)))
    check_sums(place, sums, state, stored)
    return in_todays_form(state, target)


def reading_limit(target: State) -> float:
    """GB on their way from a checkpoint at a time: the largest array of `target`, which has to fit as a whole because
    a file's chunks may be those of another mesh, and the byte more that orbax asks for.
    """
    return (1 + max(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(target))) / 1e9


def load_params(
    directory: Path,
    model: polymath_v.Config,
    config: optimizer.Config,
    partitioner: Partitioner | None = None,
    checkpoint: str | int = NEWEST,
) -> polymath_v.Params:
    """The weights of a phase's checkpoint (see `chosen_step`). Raises CheckpointError if there is none."""
    step = chosen_step(directory, checkpoint)
    state = restore(directory, abstract_state(model, config, partitioner), step)
    return optimizer.merge(state.trainable, state.frozen, polymath_v.specs(model))


def weights_digest(directory: Path, checkpoint: str | int = NEWEST) -> str:
    """A hash of a checkpoint's weights, from their stored checksums; empty in one of an older version.

    Optimizer state and the division into trainable and frozen weights do not count. Raises CheckpointError if there is
    no checkpoint.
    """
    stored = stored_sums(Path(directory) / str(chosen_step(directory, checkpoint)))
    parts = [name.partition(".") for name in stored]
    weights = {name: stored[f"{group}.{name}"] for group, _, name in parts if group in ("trainable", "frozen")}
    return hashlib.sha256(json.dumps(weights, sort_keys=True).encode()).hexdigest() if weights else ""


def checksums(state: Any) -> dict[str, str]:
    """By the name of each array: its dtype and the sum of its words modulo 2^32, like "float32 1234"."""
    leaves = dict(named(state))
    sums = np.asarray(_word_sums(list(leaves.values())))
    return {name: f"{leaf.dtype} {int(total)}" for (name, leaf), total in zip(leaves.items(), sums, strict=True)}


@contextmanager
def damage_errors(place: Path) -> Iterator[None]:
    """What orbax raises while it reads a checkpoint, as a CheckpointError."""
    try:
        yield
    except CheckpointError:
        raise
    except Exception as error:  # orbax raises bare Exception for a damaged chunk
        raise damaged(place, str(error).split("\n")[0][:160]) from error


@jax.jit
def _word_sums(leaves: list[Any]) -> Any:
    def words(x: Any) -> Any:
        return jax.lax.bitcast_convert_type(x, WORDS[x.dtype.itemsize]).astype(jnp.uint32)

    return jnp.stack([jnp.sum(words(leaf), dtype=jnp.uint32) for leaf in leaves])


def _open_manager(directory: Path, **settings: Any) -> ocp.CheckpointManager:
    """Raises CheckpointError for metadata that the library cannot read."""
    try:
        return ocp.CheckpointManager(directory, **settings)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(directory / str(latest_step(directory)), str(error).split("\n")[0][:160]) from error


def open_reader(directory: Path, handler: ocp.CheckpointHandler) -> ocp.CheckpointManager:
    """For use as a context manager. Raises CheckpointError for metadata that the library cannot read."""
    options = ocp.CheckpointManagerOptions(read_only=True)
    return _open_manager(directory, options=options, item_handlers=handler)


def stored_sums(place: Path) -> dict[str, str]:
    """The checksums of a checkpoint's arrays by name (see `checksums`), none in one of an older version.

    Raises CheckpointError where the file is damaged or of a newer version.
    """
    path = place / "_CHECKPOINT_METADATA"
    try:
        custom = dict(json.loads(path.read_text())["custom_metadata"] or {})
        sums = dict(custom.get(SUMS, {}))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise damaged(path, repr(error)) from None
    check_schema(place, custom)
    return sums


def check_sums(place: Path, stored: dict[str, str], state: Any, target: Any) -> None:
    """Raise CheckpointError for an array of `state` whose checksum is not the stored one; `target` has its dtypes.

    Arrays that were converted to another dtype are not compared.
    """
    if not stored:
        return
    dtypes = {name: str(leaf.dtype) for name, leaf in named(target)}
    for name, ours in checksums(state).items():
        if stored.get(name, "").split(" ")[0] == dtypes[name] and stored[name] != ours:
            raise damaged(place, f"{name} has the checksum {ours}, saved was {stored[name]}")


def _check_fits(place: Path, tree: Any, target: State) -> None:
    """Raise CheckpointError for the first array that the checkpoint has in another shape, or that one side lacks."""
    if tree is None:
        return
    stored = {name: tuple(leaf.shape) for name, leaf in named(tree) if getattr(leaf, "shape", None) is not None}
    needed = {name: tuple(leaf.shape) for name, leaf in named(target)}
    for name in [*needed, *stored]:
        theirs, ours = stored.get(name), needed.get(name)
        if theirs != ours:
            shown = ["nothing" if shape is None else str(list(shape)) for shape in (theirs, ours)]
            raise CheckpointError(MISFIT.format(place=place, name=name, theirs=shown[0], ours=shown[1]))


def damaged(path: Path, reason: str) -> CheckpointError:
    """The error for a checkpoint of which something cannot be read."""
    return CheckpointError(
        f"{path}: the checkpoint is damaged ({reason}); restore it from a copy, or delete its directory to go on from "
        "the checkpoint before it"
    )
