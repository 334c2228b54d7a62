"""Curves on disk: metrics.jsonl (one line a logged step) and TensorBoard, both cut back to the step of a resume."""

import json
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from tensorboardX import SummaryWriter

from polymath.errors import CheckpointError
from polymath.files import atomic_write


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The logged steps in a metrics.jsonl; a last line that a kill cut off is left out.

    Raises CheckpointError naming a line that is damaged.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path}: cannot be read ({error}); restore it or move it away") from None
    steps = []
    for number, line in enumerate(lines, start=1):
        try:
            step = json.loads(line)
            steps.append({**step, "phase": str(step["phase"]), "step": int(step["step"])})
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            if number < len(lines):
                raise CheckpointError(f"{path}: line {number} is damaged ({error!r}); delete that line") from None
    return steps


class MetricsWriter:
    """Append the metrics of one phase; lines of this phase after `resume_step` belong to lost work and are dropped."""

    def __init__(self, directory: Path, phase: str, resume_step: int) -> None:
        self._path, self._phase = Path(directory) / "metrics.jsonl", phase
        self._drop_after(resume_step)
        self._file = self._path.open("a", buffering=1)
        self._board = SummaryWriter(str(Path(directory) / "tensorboard" / phase), purge_step=resume_step + 1)
        self._start = time.monotonic()

    def __enter__(self) -> "MetricsWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
        self._board.close()

    def write(self, step: int, values: dict[str, float]) -> None:
        line = {"phase": self._phase, "step": step, "seconds": round(time.monotonic() - self._start, 3), **values}
        self._file.write(json.dumps(line) + "\n")
        for name, value in values.items():
            self._board.add_scalar(name, value, step)

    def _drop_after(self, step: int) -> None:
        if not self._path.exists():
            return
        kept = [line for line in read_metrics(self._path) if not self._is_lost(line, step)]
        with atomic_write(self._path) as temporary:
            temporary.write_text("".join(json.dumps(line) + "\n" for line in kept))

    def _is_lost(self, line: dict[str, Any], step: int) -> bool:
        return line["phase"] == self._phase and line["step"] > step
