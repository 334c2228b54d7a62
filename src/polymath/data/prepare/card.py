"""The data card: one HTML page of what a prepared set holds, what was left out and why, and how it looks."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from polymath import config, pages
from polymath.data.prepare.plan import Plan
from polymath.data.prepare.samples import samples
from polymath.data.prepare.tally import Tally
from polymath.data.robots.clipping import clipping_report
from polymath.data.robots.statistics import Statistics
from polymath.types import Embodiment

BARS = 24
SUMMED = ("rows", "kept", "dropped", "bad", "documents", "records", "tokens")


def write(out: Path, plan: Plan, tallies: Sequence[Tally], sources: dict[str, Any]) -> None:
    """Write OUT/card.html, which loads nothing from elsewhere. `tallies`: of every source of the plan."""
    sections = [_section(out, plan, number, tally, sources) for number, tally in enumerate(tallies)]
    total: dict[str, float] = {name: sum(facts[name] for facts in sources.values()) for name in SUMMED}
    total["fill"] = total["tokens"] / max(1, total["records"] * plan.layout.length)
    template = pages.environment(Path(__file__).parent).get_template("card.html.j2")
    page = template.render(sections=sections, total=total, layout=plan.layout, settings=_settings(plan))
    pages.write(page, out / "card.html")


def _section(out: Path, plan: Plan, number: int, tally: Tally, sources: dict[str, Any]) -> dict[str, Any]:
    source = plan.sources[number]
    robot, clipping = None, []
    if source.kind == "episodes":
        robot = config.load(Embodiment, out / source.folder / "embodiment.json")
        clipping = clipping_report(config.load(Statistics, out / source.folder / "statistics.json"), robot)
    reasons = [{"kind": kind, **asdict(reason)} for kind, reason in tally.reasons.items()]
    return {
        "facts": sources[source.folder],
        "folder": source.folder,
        "robot": None if robot is None else robot.name,
        "clipping": clipping,
        "reasons": sorted(reasons, key=lambda entry: -entry["count"]),
        "charts": _charts(tally, source.kind),
        "samples": samples(out, plan, number),
    }


def _charts(tally: Tally, kind: str) -> list[dict[str, Any]]:
    """Distributions over the kept rows."""
    charts = [("Tokens of a document", "tokens of a document"), ("Characters of a row's text", "characters")]
    if kind == "episodes":
        charts.append(("Control steps of an episode", "documents"))
    if kind == "documents":
        charts.append(("Pictures of a document", "images"))
    return [{"title": title, **histogram(tally.kept[name])} for title, name in charts if tally.kept[name]]


def histogram(occurrences: Counter[int]) -> dict[str, Any]:
    """At most 24 bars of whole numbers, of heights 0 to 100, from the smallest to the largest of at least one value."""
    values, weights = (np.array(column) for column in zip(*sorted(occurrences.items()), strict=True))
    low, high = int(values[0]), int(values[-1])
    width = -(-(high - low + 1) // BARS)
    edges = np.arange(low, high + width + 1, width)
    counts = np.bincount((values - low) // width, weights, len(edges) - 1).astype(np.int64)
    names = [f"{a}" if width == 1 else f"{a} to {min(a + width - 1, high)}" for a in edges[:-1].tolist()]
    bars = [
        {"height": round(100 * count / counts.max(), 1), "title": f"{name}: {count:,}"}
        for name, count in zip(names, counts.tolist(), strict=True)
    ]
    return {"bars": bars, "low": f"{low:,}", "high": f"{high:,}", "median": f"{_median(values, weights):,}"}


def _median(values: Int[np.ndarray, " n"], weights: Int[np.ndarray, " n"]) -> int:
    """Of sorted values, each occurring `weights` times; of an even number, the mean of the middle two, rounded down."""
    upto, total = np.cumsum(weights), int(weights.sum())
    lower, upper = (int(values[np.searchsorted(upto, place, side="right")]) for place in ((total - 1) // 2, total // 2))
    return (lower + upper) // 2


def _settings(plan: Plan) -> list[tuple[str, Any]]:
    """Layout, filter and settings by their names on the command line."""
    settings = config.to_dict(plan.settings)
    bounds = {f"filter.{name}": value for name, value in settings.pop("filter").items()}
    layout = {f"layout.{name}": value for name, value in config.to_dict(plan.layout).items()}
    return [(name, value) for name, value in {**layout, **bounds, **settings}.items()]
