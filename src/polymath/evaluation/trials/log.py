"""The verdicts, one JSON line each, on disk when they are given.

    {"plan": {"policies": ["run-a", "run-b"], "tasks": ["put the spoon on the towel"], "seed": 7, …}}
    {"trial": 1, "score": 1.0, "steps": 31, "seconds": 12.4, "note": ""}
    {"undone": 1}
    …

No line says which policy played: the order follows from the plan, and is shown when all trials are judged. A line that
a crash cut short is dropped, and its trial is run again.
"""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from polymath import config
from polymath.errors import ConfigError, DataError
from polymath.evaluation.trials.plan import TrialPlan
from polymath.files import atomic_write, disk_errors


@dataclasses.dataclass(frozen=True)
class Verdict:
    """`score` in [0, 1] by the person who judged; 1 is a success. `note`: their words, if they said any."""

    trial: int
    score: float
    steps: int
    seconds: float
    note: str = ""

    @property
    def success(self) -> bool:
        return self.score >= 1


class TrialLog:
    """The file at `path`, created for the plan if absent; `verdicts` are those that hold, by the trial's number.

    Raises ConfigError naming the field if the file was written for another plan, DataError naming a line that cannot be
    read.
    """

    def __init__(self, path: Path, plan: TrialPlan) -> None:
        self.path, self.verdicts = Path(path), dict[int, Verdict]()
        if not self.path.exists():
            with atomic_write(self.path) as temporary:
                temporary.write_text(json.dumps({"plan": config.to_dict(plan)}) + "\n")
        recorded, rows = _read(self.path)
        for field in dataclasses.fields(TrialPlan):
            there, here = getattr(recorded, field.name), getattr(plan, field.name)
            if there != here:
                raise ConfigError(
                    f"{path}: its trials are of {field.name} = {there!r}, these have {here!r}; name another --out"
                )
        trials = len(plan.order())
        for number, row in rows:
            self._apply(number, row, trials)
        complete = self.path.read_bytes().rfind(b"\n") + 1
        os.truncate(self.path, complete)

    def add(self, verdict: Verdict) -> None:
        """Note a verdict; a former one of the same trial no longer holds."""
        self._append(config.to_dict(verdict))
        self.verdicts[verdict.trial] = verdict

    def undo(self, trial: int) -> None:
        """The verdict of that trial was a mistake."""
        self._append({"undone": trial})
        del self.verdicts[trial]

    def _append(self, row: dict[str, Any]) -> None:
        with disk_errors(self.path), self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _apply(self, number: int, row: dict[str, Any], trials: int) -> None:
        where = f"{self.path}, line {number}"
        if "undone" in row:
            if self.verdicts.pop(row["undone"], None) is None:
                raise DataError(f"{where}: undoes trial {row['undone']!r}, which has no verdict; remove the line")
            return
        verdict = config.from_dict(Verdict, row, where)
        if not 1 <= verdict.trial <= trials or not 0 <= verdict.score <= 1:
            raise DataError(
                f"{where}: trial {verdict.trial}, score {verdict.score}; there are {trials} trials and scores from 0 "
                "to 1; remove the line to run the trial again"
            )
        self.verdicts[verdict.trial] = verdict


def _read(path: Path) -> tuple[TrialPlan, list[tuple[int, dict[str, Any]]]]:
    """Plan, and the rows with their line numbers, without a cut last line."""
    try:
        lines = path.read_text().split("\n")[:-1]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); is this a log of `polymath eval real`?") from None
    rows: list[tuple[int, dict[str, Any]]] = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}, line {number}: not JSON ({error}); remove the line") from None
        if not isinstance(row, dict):
            raise DataError(f"{path}, line {number}: no JSON object; remove the line")
        rows.append((number, row))
    if not rows or "plan" not in rows[0][1]:
        raise DataError(f"{path}, line 1: field 'plan' is missing; is this a log of `polymath eval real`?")
    return config.from_dict(TrialPlan, rows[0][1]["plan"], f"{path}, line 1"), rows[1:]
