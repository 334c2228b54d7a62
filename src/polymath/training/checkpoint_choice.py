"""Which checkpoint of a phase is meant, and which ones stay on disk: the newest few, and the best on held-out episodes.

newest    the last one
best      the one of the smallest error on the held-out episodes, which stands in its own metadata; the earlier one
          of two that are equal
1500      that step
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polymath.errors import CheckpointError

ERROR = "held_out_error"
NEWEST = "newest"


@dataclass(frozen=True)
class Measured:
    """A checkpoint's step, and its action error on the held-out episodes."""

    step: int
    error: float


class NewestAndBest:
    """The rule of keeping, for orbax (`PreservationPolicy`); `best` is moved on by who saves."""

    def __init__(self, newest: int, best: Measured | None) -> None:
        self.newest, self.best = newest, best

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> list[bool]:
        """Of the checkpoints in the order of their steps, which ones stay."""
        kept = {checkpoint.step for checkpoint in checkpoints[-self.newest :]}
        if self.best is not None:
            kept.add(self.best.step)
        return [checkpoint.step in kept for checkpoint in checkpoints]

    def is_better(self, error: float | None) -> bool:
        """Whether a checkpoint with that error would be the best; one that is not finite never is."""
        if error is None or not math.isfinite(error):
            return False
        return self.best is None or error < self.best.error


def steps_in(directory: Path) -> list[int]:
    """The steps of the finished checkpoints (orbax renames one when it is), ascending; none if there is no directory.

    Nothing is opened or made.
    """
    directory = Path(directory)
    return sorted(int(path.name) for path in directory.iterdir() if path.name.isdigit()) if directory.is_dir() else []


def best(directory: Path) -> Measured | None:
    """The best checkpoint of a phase's directory; None if none was measured."""
    measured = []
    for step in steps_in(directory):
        try:
            metadata = json.loads((Path(directory) / str(step) / "_CHECKPOINT_METADATA").read_text())
            measured.append(Measured(step, float(metadata["custom_metadata"][ERROR])))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue  # not measured; what is damaged is named when it is read
    return min(measured, key=lambda each: each.error, default=None)


def chosen_step(directory: Path, checkpoint: str | int = NEWEST) -> int:
    """The step of the checkpoint that is meant: "newest", "best", or a step.

    Raises CheckpointError naming what there is, if there is no such checkpoint.
    """
    directory, steps = Path(directory), steps_in(directory)
    if not steps:
        missing = "holds no checkpoint yet" if directory.is_dir() else "no such directory"
        raise CheckpointError(f"{directory}: {missing}; train that phase first")
    if checkpoint == NEWEST:
        return steps[-1]
    if checkpoint == "best":
        measured = best(directory)
        if measured is None:
            raise CheckpointError(
                f"{directory}: no checkpoint was measured on held-out episodes (held_out.share), so none is the best; "
                f"choose newest, or one of {', '.join(map(str, steps))}"
            )
        return measured.step
    if str(checkpoint).isdigit() and int(checkpoint) in steps:
        return int(checkpoint)
    raise CheckpointError(
        f"{directory}: holds no checkpoint {checkpoint!r}; choose newest, best or one of {', '.join(map(str, steps))}"
    )
