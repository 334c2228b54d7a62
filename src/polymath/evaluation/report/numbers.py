"""How the report writes numbers: per cent, intervals, points, titles of splits."""

from polymath.evaluation.report.data import ReportData

NBSP = "\u00a0"


def percent(rate: float) -> str:
    """A share of the whole without decimals."""
    return f"{100 * rate:.0f}{NBSP}%"


def interval(low: float, high: float) -> str:
    """An interval of shares."""
    return f"{100 * low:.0f}–{100 * high:.0f}{NBSP}%"


def points(difference: float) -> str:
    """A difference of shares, in points of a hundred."""
    return f"{100 * difference:+.0f} points"


def split_title(data: ReportData, split: str) -> tuple[str, str]:
    """The split's title and description; its name where the benchmark gives none."""
    return data.splits.get(split, (split.replace("_", " "), ""))
