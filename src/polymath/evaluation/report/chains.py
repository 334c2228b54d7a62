"""Chains of subtasks, as CALVIN's: how far each policy comes, and at which subtask the policy of the page fails."""

from collections import defaultdict
from typing import Any

from polymath.evaluation.report import published as others
from polymath.evaluation.report.charts import Tick, interval_mark
from polymath.evaluation.report.data import ReportData
from polymath.evaluation.report.numbers import interval, percent, split_title
from polymath.evaluation.results import Entry, Mean
from polymath.evaluation.statistics import Rate

Cells = dict[str, Any]


def chains(data: ReportData, colour: dict[str, int]) -> Cells | None:
    """Per split the policies, best first, and the subtasks of the page's policy; None if the score is just success."""
    if data.levels == 1:
        return None
    splits: list[Cells] = []
    for name, policies in data.results.items():
        scored = {policy: (entry, entry.score) for policy, entry in policies.items() if entry.score is not None}
        rows = [_row(policy, *scores, data.levels, colour[policy]) for policy, scores in scored.items()]
        title, description = split_title(data, name)
        if rows:
            rows.sort(key=lambda row: -row["mean"])
            published = [] if splits else others.average_lengths(data.published, data.levels)
            splits.append({"title": title, "description": description, "rows": rows, "published": published})
    return {
        "columns": [f"≥ {k}" for k in range(1, data.levels + 1)],
        "levels": data.levels,
        "axis": [Tick(100 * k / data.levels, str(k)) for k in range(data.levels + 1)],
        "splits": splits,
        "subtasks": subtasks(data),
    }


def _row(policy: str, entry: Entry, score: Mean, levels: int, colour: int) -> Cells:
    mean, (low, high) = score.mean, score.interval
    spread = f"{low:.2f}–{high:.2f}"
    mark = interval_mark(mean / levels, low / levels, high / levels, colour, f"{mean:.2f}, interval {spread}", levels)
    cells = [{"rate": percent(each.rate), "interval": interval(*each.interval)} for each in entry.levels]
    row = {"name": policy, "colour": colour, "mean": mean, "value": f"{mean:.2f}", "interval": spread}
    return row | {"mark": mark, "cells": cells, "episodes": f"{entry.episodes:,}"}


def subtasks(data: ReportData) -> list[Cells]:
    """Each subtask that the page's policy tried, in any chain: the one at which most chains ended first.

    A subtask is a measure that is 0 or 1 in every episode that has it.
    """
    tried: dict[str, list[float]] = defaultdict(list)
    for result in data.episodes.get(data.policy, {}).values():
        for name, value in result.measures.items():
            tried[name].append(value)
    rates = {name: Rate.of(v == 1 for v in values) for name, values in tried.items() if set(values) <= {0.0, 1.0}}
    ordered = sorted(rates.items(), key=lambda pair: (pair[1].successes - pair[1].episodes, pair[0]))
    return [
        {
            "name": name.replace("_", " "),
            "failures": f"{rate.episodes - rate.successes:,}",
            "tries": f"{rate.episodes:,}",
            "rate": percent(rate.rate),
            "interval": interval(*rate.interval),
            "mark": interval_mark(rate.rate, *rate.interval, 0),
        }
        for name, rate in ordered
    ]
