"""What was never seen, and what a policy does without eyes or ears: each split and probe beside the first split.

The drop is taken over the episodes of equal task and seed where both have them, which are the same scene but for what
the split changes; its interval is that of the paired difference. Otherwise both count as independent samples.
"""

from typing import Any

from polymath.evaluation.comparison import Comparison, compare_split
from polymath.evaluation.log_files import Episodes
from polymath.evaluation.report.charts import difference_mark, interval_mark
from polymath.evaluation.report.data import ReportData
from polymath.evaluation.report.numbers import interval, percent, points, split_title
from polymath.evaluation.statistics import Rate, bootstrap_mean

Cells = dict[str, Any]
_PROBES = {
    "blind": ("Blind", "the same weights, with black pictures"),
    "deaf": ("Deaf", "the same weights, with an empty instruction"),
}
_ONE = "compared"


def probes(data: ReportData) -> list[Cells]:
    """One row for each split of the policy and each probe of it; empty if there is nothing beside the first split."""
    mine = data.episodes.get(data.policy, {})
    splits = [split for split in data.results if any(key.split == split for key in mine)]
    if not splits:
        return []
    reference = _of_split(mine, splits[0])
    rows = [_row(data, *split_title(data, splits[0]), reference, None)]
    for split in splits[1:]:
        rows.append(_row(data, *split_title(data, split), _of_split(mine, split), reference))
    for probe, (title, description) in _PROBES.items():
        if probed := _of_split(data.episodes.get(f"{data.policy}-{probe}", {}), splits[0]):
            rows.append(_row(data, title, description, probed, reference))
    return rows if len(rows) > 1 else []


def _of_split(episodes: Episodes, split: str) -> Episodes:
    """The episodes of a split, under one split's name, so that those of different splits can be paired."""
    return {key._replace(split=_ONE): result for key, result in episodes.items() if key.split == split}


def _row(data: ReportData, title: str, description: str, episodes: Episodes, reference: Episodes | None) -> Cells:
    row: Cells = {"title": title, "description": description, "episodes": f"{len(episodes):,}"}
    if data.levels > 1:
        scores = [result.score for result in episodes.values()]
        mean, (low, high) = sum(scores) / len(scores), bootstrap_mean(scores, bounds=(0, data.levels))
        row |= {"value": f"{mean:.2f}", "interval": f"{low:.2f}–{high:.2f}"}
        shares = (mean / data.levels, low / data.levels, high / data.levels)
    else:
        rate = Rate.of(result.success for result in episodes.values())
        shares = (rate.rate, *rate.interval)
        row |= {"value": percent(rate.rate), "interval": interval(*rate.interval)}
    row["mark"] = interval_mark(*shares, 0, f"{row['value']}, interval {row['interval']}")
    if reference is None:
        return row | {"drop": "", "drop_interval": "", "drop_mark": "", "pairs": "", "drop_is_open": False}
    return row | _drop(compare_split(_ONE, episodes, reference, data.levels), data.levels)


def _drop(comparison: Comparison, levels: int) -> Cells:
    score = comparison.score
    if levels > 1 and score is not None:
        value, (low, high) = score.difference, score.interval
        text, limits = f"{value:+.2f}", f"{low:+.2f} to {high:+.2f}"
    else:
        value, (low, high) = comparison.difference, comparison.interval
        text, limits, levels = points(value), f"{100 * low:+.0f} to {100 * high:+.0f}", 1
    mark = difference_mark(value / levels, low / levels, high / levels, 5, f"{text}, interval {limits}")
    pairs = f"{comparison.pairs:,} pairs" if comparison.pairs else "unpaired"
    return {"drop": text, "drop_interval": limits, "drop_mark": mark, "pairs": pairs, "drop_is_open": low <= 0 <= high}
