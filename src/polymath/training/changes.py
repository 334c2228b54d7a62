"""What a run learns may change where that is declared, and the run records it.

polymath train … --set robot.optimizer.peak_learning_rate=1e-4 --allow learning-rate

RUN/changes.jsonl   one line a change: time, phase, the step after which it holds, field, old and new value

A change of how a run is executed needs no declaration, see `continuing`.
"""

import json
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from polymath.errors import CheckpointError, ConfigError, did_you_mean
from polymath.files import atomic_write
from polymath.training.checkpoint_choice import steps_in
from polymath.training.recipe import PHASES

FILE = "changes.jsonl"
KINDS = {
    "learning-rate": r"(alignment|robot)\.optimizer\.(peak_learning_rate|warmup_steps|cooldown_steps)",
    "clipping": r"(alignment|robot)\.optimizer\.(clip_norm|update_clip)",
    "spikes": r"(alignment|robot)\.optimizer\.(spike_sigma|spike_window)",
    "weight-decay": r"(alignment|robot)\.optimizer\.weight_decay",
    "loss": r"(alignment|robot)\.loss\.(action|error|huber|places|z_loss)",
    "augmentation": r"augmentation\..*",
    "precision": r"execution\.(dtype|gradient_dtype)",
}
"""Of each kind of `--allow`, the fields that it lets change."""


class Change(NamedTuple):
    """A field of the recipe before and after."""

    field: str
    old: object
    new: object


def kind_of(field: str) -> str | None:
    """What must be allowed for that field to change; None: it cannot."""
    return next((kind for kind, pattern in KINDS.items() if re.fullmatch(pattern, field)), None)


def check_kinds(allowed: Sequence[str]) -> None:
    """Raise ConfigError for a kind of change that there is not."""
    for kind in allowed:
        if kind not in KINDS:
            raise ConfigError(f"--allow {kind}: no such change; {did_you_mean(kind, KINDS)}")


def record(changes: Iterable[Change], out: Path) -> None:
    """Add the changes to the run's record. Raises CheckpointError for a record that is damaged."""
    lines = [_line(change, out) for change in changes]
    if lines:
        path = out / FILE
        with atomic_write(path) as temporary:
            temporary.write_text("".join(f"{json.dumps(line)}\n" for line in [*read(out), *lines]))


def read(out: Path) -> list[dict[str, Any]]:
    """The run's changes, the oldest first. Raises CheckpointError for a record that is damaged."""
    path = Path(out) / FILE
    if not path.is_file():
        return []
    try:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        return [{**line, "phase": str(line["phase"]), "step": int(line["step"])} for line in lines]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{path}: is damaged ({error!r}); restore it from a copy, or delete it") from None


def was_changed_at(out: Path, phase_name: str, step: int) -> bool:
    """Whether a change of the phase holds from that step on."""
    return any((line["phase"], line["step"]) == (phase_name, step) for line in read(out))


def _line(change: Change, out: Path) -> dict[str, Any]:
    """Of the phase that the field belongs to, or of the newest one that has begun."""
    newest = {phase: max(steps_in(out / "checkpoints" / phase), default=0) for phase in PHASES}
    own = change.field.partition(".")[0]
    phase = own if own in PHASES else next((name for name in reversed(PHASES) if newest[name]), PHASES[0])
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {"time": now, "phase": phase, "step": newest[phase], **change._asdict()}
