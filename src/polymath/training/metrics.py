"""Curves on disk: metrics.jsonl (one line a logged step) and TensorBoard, both cut back to the step of a resume."""

import json
import time
from pathlib import Path
from types import TracebackType

from tensorboardX import SummaryWriter

from polymath.files import atomic_write


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
        lines = [line for line in self._path.read_text().splitlines() if line.endswith("}")]
        kept = [line for line in lines if not self._is_lost(json.loads(line), step)]
        with atomic_write(self._path) as temporary:
            temporary.write_text("".join(line + "\n" for line in kept))

    def _is_lost(self, line: dict[str, object], step: int) -> bool:
        return line["phase"] == self._phase and int(str(line["step"])) > step
