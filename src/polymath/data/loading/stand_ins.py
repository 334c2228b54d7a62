"""What happens to a row that cannot be read while a run trains on it: another row of its source stands in, by rule.

    row k ─ DataError ─► quarantine ─► row k + n, the same place in the next epoch ─ DataError ─► row k + 2 n …

The rule depends on the row alone, so the stream stays a function of (seed, step) and a run that goes on reads what it
would have read. Without it one damaged record ends the run at the same step after every restart.
"""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from polymath.errors import DataError

MOST = 100
"""Different faults before the data set, not a record, must be called damaged; of each process and restart."""
EPOCHS = 8
"""Further epochs in which the same place is tried."""

Row = TypeVar("Row")
_log = logging.getLogger(__name__)


class StandIns:
    """The quarantine of one phase, and its rule; for several threads, and picklable for worker processes.

    `path`: a file of JSON lines, one a fault: source, row, kind and reason. It is made at the first fault. A fault that
    two processes meet has a line of each.
    """

    def __init__(self, path: Path, most: int = MOST) -> None:
        self.path, self._most = Path(path), most
        self._reasons: set[str] = set()

    @property
    def faults(self) -> int:
        """Different ones so far, however often their rows were due."""
        return len(self._reasons)

    def read(self, row: Callable[[int], Row], k: int, rows: int, source: str) -> Row:
        """`row(k)`, or the first row k + n `rows` that can be read; `rows` is how many the source has an epoch.

        Raises DataError if none of EPOCHS more can be read, or if there were more than `most` faults.
        """
        for place in range(k, k + (EPOCHS + 1) * rows, rows):
            try:
                return row(place)
            except DataError as error:
                self._add(source, place, error)
                last = error
        raise DataError(f"{last}; {EPOCHS} rows that could stand in for it cannot be read either", last.kind)

    def _add(self, source: str, row: int, error: DataError) -> None:
        if str(error) in self._reasons:
            return
        self._reasons.add(str(error))
        fault = {"source": source, "row": row, "kind": error.kind, "reason": str(error)}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(fault) + "\n")
        _log.warning("%s; another row stands in, %s lists it", error, self.path)
        if self.faults > self._most:
            raise DataError(
                f"{self.path}: more than {self._most} records could not be read, the last one: {error}; mend or copy "
                "the data set again, then run the same command",
                error.kind,
            )
