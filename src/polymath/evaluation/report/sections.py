"""The rows and cards of the report's sections, ready for the template: numbers formatted, charts and pictures drawn."""

from typing import Any

from polymath.data.looking.overlay import attention_overlay
from polymath.evaluation.comparison import compare_split
from polymath.evaluation.episode_log import Identity
from polymath.evaluation.report.charts import Series, interval_mark, line_chart
from polymath.evaluation.report.data import AttentionPicture, Curves, ReportData, Stage
from polymath.evaluation.report.numbers import NBSP, interval, percent, points, split_title
from polymath.evaluation.report.pictures import png_uri
from polymath.evaluation.results import Entry
from polymath.evaluation.statistics import Rate, difference
from polymath.evaluation.video import upscale

Cells = dict[str, Any]

_CHARTS = {"loss": "Loss", "cross_entropy": "Cross-entropy of the tokens", "mse": "MSE of the action head"}
_OTHERS = (1, 2, 4, 5)
_GREY = 3


def colours(data: ReportData) -> dict[str, int]:
    """Colour class of each policy and run: the headline's is 0, the random baseline's grey."""
    names = dict.fromkeys([name for policies in data.results.values() for name in policies])
    others = [n for n in (*names, *(c.run for c in data.curves)) if n not in (data.policy, "random")]
    numbered = {name: _OTHERS[i % len(_OTHERS)] for i, name in enumerate(dict.fromkeys(others))}
    return {data.policy: 0, "random": _GREY} | numbered


def summary(data: ReportData) -> str:
    """One sentence on the first split: the policy's rate and the best baseline's."""
    split, policies = next((s, p) for s, p in data.results.items() if data.policy in p)
    entry = policies[data.policy]
    if entry.score is not None:
        return (
            f"{data.policy} solves {entry.score.mean:.2f} subtasks in a row on average (95 % interval "
            f"{entry.score.interval[0]:.2f}–{entry.score.interval[1]:.2f}), of {data.levels}, over {entry.episodes} "
            f"chains on “{split_title(data, split)[0]}”."
        )
    text = (
        f"{data.policy} succeeds in {percent(entry.rate)} of {entry.episodes} episodes on "
        f"“{split_title(data, split)[0]}” (95 % interval {interval(*entry.interval)})"
    )
    baselines = {name: e for name, e in policies.items() if name != data.policy}
    if not baselines:
        return text + "."
    best = max(baselines, key=lambda name: baselines[name].rate)
    return text + f"; the best baseline, {best}, in {percent(baselines[best].rate)}."


def same_scenes(data: ReportData) -> bool:
    """Whether in every split all policies ran the same tasks on the same seeds."""
    return all(
        len({(entry.seeds, frozenset(entry.per_task)) for entry in policies.values()}) == 1
        for policies in data.results.values()
    )


def cards(data: ReportData) -> list[Cells]:
    """The headline numbers."""
    rows = []
    for split, policies in data.results.items():
        entry = policies.get(data.policy)
        if entry is not None and entry.score is not None:
            detail = f"{entry.score.interval[0]:.2f}–{entry.score.interval[1]:.2f}, of {data.levels} in a row"
            number = f"{entry.score.mean:.2f}"
            rows.append({"name": split_title(data, split)[0], "number": number, "detail": detail, "head": True})
        elif entry is not None:
            detail = f"{interval(*entry.interval)}, {entry.successes} of {entry.episodes}"
            row = {"name": split_title(data, split)[0], "number": percent(entry.rate), "detail": detail, "head": True}
            rows.append(row | _nearest(data, split))
    if data.parameters:
        count = _short(sum(data.parameters.values()))
        rows.append({"name": "Parameters", "number": count, "detail": f"{len(data.parameters)} parts", "head": False})
    if whole := data.whole:
        clock, detail = _clock(whole.wall_seconds), f"{whole.cpu_seconds:,.0f} CPU seconds"
        rows.append({"name": "Whole run", "number": clock, "detail": detail, "head": False})
        peak = _memory(whole.peak_memory)
        rows.append({"name": "Peak memory", "number": peak, "detail": "resident, all processes", "head": False})
    return rows


def _nearest(data: ReportData, split: str) -> Cells:
    """The gap to the best other policy of the split; `gap_is_open` where its interval holds 0, so may be chance."""
    others = [name for name in data.results[split] if name != data.policy]
    if not others:
        return {}
    best = max(others, key=lambda name: data.results[split][name].rate)
    gap, (low, high) = _gap(data, split, best)
    interval = f"{100 * low:+.0f} to {100 * high:+.0f}"
    return {"gap": f"{points(gap)} on {best} ({interval})", "gap_is_open": low <= 0 <= high}


def split(data: ReportData, name: str, colour: dict[str, int]) -> Cells:
    """Chart and table rows of one split, the headline policy first, then by rate."""
    policies = data.results[name]
    order = sorted(policies, key=lambda p: (p != data.policy, -policies[p].rate))
    tasks = list(dict.fromkeys(task for policy in order for task in policies[policy].per_task))
    rows = [
        {
            "name": task,
            "mark": _task_mark(policies[order[0]], task, colour[order[0]]),
            "cells": [_task_cell(policies[policy], task) for policy in order],
        }
        for task in tasks
    ]
    return {
        "title": split_title(data, name)[0],
        "description": split_title(data, name)[1],
        "rows": [_policy_row(data, name, policy, colour[policy]) for policy in order],
        "tasks": rows,
    }


def attention(picture: AttentionPicture) -> Cells:
    """The image, the mean and every latent as PNG data URIs."""
    mean = attention_overlay(picture.image, picture.attention.mean(axis=0))
    each = [png_uri(attention_overlay(picture.image, weights)) for weights in picture.attention]
    large = [png_uri(upscale(image[None], 256)[0]) for image in (picture.image, mean)]
    return {"image": large[0], "mean": large[1], "latents": each, "caption": picture.caption}


def phases(curves: tuple[Curves, ...], colour: dict[str, int]) -> list[Cells]:
    """Per training phase the charts of those quantities that some run recorded, one line per run."""
    names = list(dict.fromkeys(phase for run in curves for phase in run.phases))
    sections = []
    for phase in names:
        charts = []
        for quantity, title in _CHARTS.items():
            lines = [
                Series(run.run, colour[run.run], *run.phases[phase][quantity])
                for run in curves
                if quantity in run.phases.get(phase, {})
            ]
            if any(value > 0 for line in lines for value in line.values):
                charts.append(line_chart(title, lines))
        sections.append({"name": phase, "charts": charts})
    return sections


def parameters(counts: dict[str, int]) -> list[Cells]:
    """One row per part, and the total last."""
    total = sum(counts.values())
    rows = [{"name": n, "count": f"{c:,}", "share": f"{c / total:.1%}", "total": False} for n, c in counts.items()]
    return [*rows, {"name": "total", "count": f"{total:,}", "share": "", "total": True}] if rows else []


def stages(finished: tuple[Stage, ...], whole: Stage | None) -> list[Cells]:
    """One row per stage, and the whole run last."""
    cpu = sum(stage.cpu_seconds for stage in finished)
    rows = [_stage_row(stage, cpu, i % 6, total=False) for i, stage in enumerate(finished)]
    return rows if whole is None else [*rows, _stage_row(whole, cpu, 0, total=True)]


def facts(data: ReportData, identity: Identity) -> list[tuple[str, str]]:
    """What else is needed to repeat the run."""
    seeds = sorted({seed for policies in data.results.values() for entry in policies.values() for seed in entry.seeds})
    rows = [
        ("Identity of the result", f"{identity.hash} (protocol {identity.protocol_hash})"),
        ("Checkpoint", identity.checkpoint),
        ("Weights", identity.weights),
        ("Protocol", identity.protocol),
        ("Action", identity.robot),
        ("Decoding", identity.decode),
        ("Renderer", identity.renderer),
        ("Cameras", f"{', '.join(identity.cameras)}, {identity.image_size} × {identity.image_size} pixels"),
        *((f"Simulator: {name.replace('_', ' ')}", value) for name, value in sorted(identity.simulator.items())),
        *((f"Option {name}", value) for name, value in identity.options.items()),
        ("Actions executed per decision", str(identity.execute)),
        ("Seeds of the run", ", ".join(f"{name} {seed}" for name, seed in data.seeds.items())),
        ("Seeds of the evaluated layouts", f"{seeds[0]} to {seeds[-1]}, {len(seeds)} in all"),
        ("Machine", data.machine),
        ("Versions", ", ".join(f"{name} {version}" for name, version in data.versions.items())),
    ]
    return [(name, value) for name, value in rows if value]


def _policy_row(data: ReportData, split: str, name: str, colour: int) -> Cells:
    entry, main = data.results[split][name], data.results[split].get(data.policy)
    row = {
        "name": name,
        "main": name == data.policy,
        "colour": colour,
        "mark": interval_mark(entry.rate, *entry.interval, colour),
        "successes": entry.successes,
        "episodes": entry.episodes,
        "percent": percent(entry.rate),
        "interval": interval(*entry.interval),
        "gap": "",
        "gap_interval": "",
        "gap_is_open": False,
    }
    if main is not None and name != data.policy:
        gap, (low, high) = _gap(data, split, name)
        row["gap"] = points(gap)
        row["gap_interval"] = f"{100 * low:+.0f} to {100 * high:+.0f}"
        row["gap_is_open"] = low <= 0 <= high
    return row


def _gap(data: ReportData, split: str, name: str) -> tuple[float, tuple[float, float]]:
    """Rate of the page's policy minus this one's: paired where their episodes are known, else of independent rates."""
    ours, theirs = (data.episodes.get(policy, {}) for policy in (data.policy, name))
    if all(any(key.split == split for key in side) for side in (ours, theirs)):
        comparison = compare_split(split, ours, theirs, data.levels)
        return comparison.difference, comparison.interval
    main, other = (data.results[split][policy] for policy in (data.policy, name))
    rates = Rate(main.successes, main.episodes), Rate(other.successes, other.episodes)
    return main.rate - other.rate, difference(*rates)


def _task_cell(entry: Entry, task: str) -> str:
    rate = entry.per_task.get(task)
    return f"{percent(rate.rate)} ({rate.successes}/{rate.episodes})" if rate else "—"


def _task_mark(entry: Entry, task: str, colour: int) -> str:
    rate = entry.per_task.get(task)
    return interval_mark(rate.rate, *rate.interval, colour) if rate else ""


def _stage_row(stage: Stage, cpu: float, colour: int, total: bool) -> Cells:
    return {
        "name": stage.name,
        "colour": colour,
        "total": total,
        "share": f"{100 * stage.cpu_seconds / max(cpu, 1e-9):.2f}",
        "wall": f"{stage.wall_seconds:,.0f}",
        "cpu": f"{stage.cpu_seconds:,.0f}",
        "busy": f"{stage.cpu_seconds / max(stage.wall_seconds, 1e-9):.1f}",
        "memory": _memory(stage.peak_memory),
    }


def _memory(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size else "—"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    text = f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min {rest:02d} s"
    return text.replace(" ", NBSP)


def _short(count: int) -> str:
    for unit, name in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return str(count)
