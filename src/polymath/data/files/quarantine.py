"""What happens to bad rows: refused at once (training), or set aside with file, row and reason (preparation).

A reader takes `on_bad` and calls it for every row that it cannot use; `refuse`, the default, raises.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from polymath.errors import DataError

OnBad = Callable[[str, str, DataError], None]


@dataclass(frozen=True)
class BadRow:
    """`kind` is the reason in one word, `reason` the whole message."""

    file: str
    row: str
    kind: str
    reason: str


def refuse(file: str, row: str, error: DataError) -> None:
    raise error


@dataclass
class Quarantine:
    """Pass `quarantine.add` as a reader's `on_bad`."""

    rows: list[BadRow] = field(default_factory=list)

    def add(self, file: str, row: str, error: DataError) -> None:
        self.rows.append(BadRow(file, row, error.kind, str(error)))

    def counts(self) -> dict[str, int]:
        """Rows by kind, the most frequent first."""
        return dict(Counter(bad.kind for bad in self.rows).most_common())

    def check(self, good: int, limit: float) -> None:
        """Raise DataError with the table if the bad rows are more than the share `limit` of all."""
        total = good + len(self.rows)
        if total and len(self.rows) > limit * total:
            raise DataError(
                f"{len(self.rows)} of {total} rows are bad, more than {limit:.1%}; mend the data or raise "
                f"max_bad_share\n{self.table()}"
            )

    def table(self, most: int = 20) -> str:
        """One line a kind with its count, then up to `most` rows."""
        lines = [f"  {count:>8,}  {kind}" for kind, count in self.counts().items()]
        lines += [f"  {bad.file}: {bad.row}: {bad.reason}" for bad in self.rows[:most]]
        return "\n".join(lines)
