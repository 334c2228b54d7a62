"""The data card: one HTML page of what a prepared set holds, what was left out and why, and how it looks."""

from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int

from polymath import config
from polymath.data.prepare.plan import Plan
from polymath.data.prepare.samples import samples
from polymath.files import atomic_write
from polymath.types import Embodiment

BARS = 24
SUMMED = ("rows", "kept", "dropped", "bad", "documents", "records", "tokens")


def mark_duplicates(rows: pa.Table, duplicates: pa.Table) -> pa.Table:
    """The table of all rows, with those that occurred before as dropped."""
    late = set(zip(duplicates["source"].to_pylist(), duplicates["row"].to_pylist(), strict=True))
    if not late:
        return rows
    keys = zip(rows["source"].to_pylist(), rows["row"].to_pylist(), strict=True)
    mask = pa.array([key in late for key in keys])
    for name, value in (("status", "dropped"), ("kind", "duplicate"), ("reason", "duplicate")):
        column = pc.if_else(mask, pa.scalar(value), rows[name])
        rows = rows.set_column(rows.schema.get_field_index(name), name, column)
    return rows


def write(out: Path, plan: Plan, rows: pa.Table, opening: pa.Table, sources: dict[str, Any]) -> None:
    """Write OUT/card.html, which loads nothing from elsewhere. `opening`: what could not be opened, of all sources."""
    template = resources.files("polymath.data.prepare").joinpath("card.html.j2").read_text()
    sections = [_section(out, plan, rows, opening, number, sources[s.folder]) for number, s in enumerate(plan.sources)]
    total: dict[str, float] = {name: sum(facts[name] for facts in sources.values()) for name in SUMMED}
    total["fill"] = total["tokens"] / max(1, total["records"] * plan.layout.length)
    environment = jinja2.Environment(autoescape=True, trim_blocks=True)
    page = environment.from_string(template).render(
        sections=sections, total=total, layout=plan.layout, settings=_settings(plan)
    )
    with atomic_write(out / "card.html") as temporary:
        temporary.write_text(page)


def _section(
    out: Path, plan: Plan, rows: pa.Table, opening: pa.Table, number: int, facts: dict[str, Any]
) -> dict[str, Any]:
    table = rows.filter(pc.equal(rows["source"], number))
    kept = table.filter(pc.equal(table["status"], "kept"))
    source = plan.sources[number]
    robot = config.load(Embodiment, out / source.folder / "embodiment.json").name if source.kind == "episodes" else None
    unopened = opening.filter(pc.equal(opening["source"], source.name)).select(["kind", "reason"])
    left_out = table.filter(pc.not_equal(table["status"], "kept")).select(["kind", "reason"])
    return {
        "facts": facts,
        "folder": source.folder,
        "robot": robot,
        "reasons": _reasons(pa.concat_tables([unopened, left_out])),
        "charts": _charts(kept, source.kind),
        "samples": samples(out, plan, number),
    }


def _reasons(left_out: pa.Table) -> list[dict[str, Any]]:
    """Kinds of reasons, the most frequent first, each with the first message that says more than the kind."""
    found: dict[str, dict[str, Any]] = {}
    for kind, reason in zip(left_out["kind"].to_pylist(), left_out["reason"].to_pylist(), strict=True):
        entry = found.setdefault(kind, {"kind": kind, "count": 0, "example": "" if reason == kind else reason})
        entry["count"] += 1
    return sorted(found.values(), key=lambda entry: -entry["count"])


def _charts(kept: pa.Table, kind: str) -> list[dict[str, Any]]:
    """Distributions over the kept rows; an episode has a document for every control step."""
    documents = kept["documents"].to_numpy()
    tokens = kept["tokens"].to_numpy() // np.maximum(documents, 1)
    charts = [("Tokens of a document", tokens), ("Characters of a row's text", kept["characters"].to_numpy())]
    if kind == "episodes":
        charts.append(("Control steps of an episode", documents))
    if kind == "documents":
        charts.append(("Pictures of a document", kept["images"].to_numpy()))
    return [{"title": title, **histogram(values)} for title, values in charts if len(values)]


def histogram(values: Int[np.ndarray, " n"]) -> dict[str, Any]:
    """At most 24 bars of whole numbers, of heights 0 to 100, from the smallest to the largest of n > 0 values."""
    low, high = int(values.min()), int(values.max())
    width = -(-(high - low + 1) // BARS)
    edges = np.arange(low, high + width + 1, width)
    counts, _ = np.histogram(values, bins=edges)
    names = [f"{a}" if width == 1 else f"{a} to {min(a + width - 1, high)}" for a in edges[:-1].tolist()]
    bars = [
        {"height": round(100 * count / counts.max(), 1), "title": f"{name}: {count:,}"}
        for name, count in zip(names, counts.tolist(), strict=True)
    ]
    return {"bars": bars, "low": f"{low:,}", "high": f"{high:,}", "median": f"{int(np.median(values)):,}"}


def _settings(plan: Plan) -> list[tuple[str, Any]]:
    """Layout, filter and settings by their names on the command line."""
    said = config.to_dict(plan.settings)
    bounds = {f"filter.{name}": value for name, value in said.pop("filter").items()}
    layout = {f"layout.{name}": value for name, value in config.to_dict(plan.layout).items()}
    return [(name, value) for name, value in {**layout, **bounds, **said}.items()]
