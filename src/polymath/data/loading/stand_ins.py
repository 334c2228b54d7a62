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
from polymath.files import disk_errors

MOST, SHARE = 100, 0.05
"""A data set, not a record, is damaged from more than MOST different faults on, or once more than MOST rows and more
than this share of all were replaced: one fault may spoil every row of a file. Of each process and restart.
"""
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
        self._rows = self._replaced = 0

    @property
    def faults(self) -> int:
        """Different ones so far, however often their rows were due."""
        return len(self._reasons)

    def read(self, row: Callable[[int], Row], k: int, rows: int, source: str) -> Row:
        """`row(k)`, or the first row k + n `rows` that can be read; `rows` is how many the source has an epoch.

        Raises DataError if none of EPOCHS more can be read, or if too much of the data set is damaged.
        """
        self._rows += 1
        for place in range(k, k + (EPOCHS + 1) * rows, rows):
            try:
                return row(place)
            except DataError as error:
                self._replaced += place == k
                self._add(source, place, error)
                self._check(error)
                last = error
        raise DataError(f"{last}; {EPOCHS} rows that could stand in for it cannot be read either", last.kind)

    def _add(self, source: str, row: int, error: DataError) -> None:
        if str(error) in self._reasons:
            return
        self._reasons.add(str(error))
        fault = {"source": source, "row": row, "kind": error.kind, "reason": str(error)}
        with disk_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as file:
                file.write(json.dumps(fault) + "\n")
        _log.warning("%s; another row stands in, %s lists it", error, self.path)

    def _check(self, error: DataError) -> None:
        """Raise DataError if it is the data set that is damaged; `error` is the last fault."""
        if self.faults > self._most:
            extent = f"more than {self._most} records could not be read"
        elif self._replaced > max(self._most, SHARE * self._rows):
            extent = f"{self._replaced:,} of {self._rows:,} rows could not be read"
        else:
            return
        raise DataError(
            f"{self.path}: {extent}, the last one: {error}; mend or copy the data set again, or leave the episode out "
            "with ?episodes=, then run the same command",
            error.kind,
        )
