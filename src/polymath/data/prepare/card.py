"""The data card: one HTML page of what a prepared set holds, what was left out and why, and how it looks."""

import base64
import io
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image

from polymath import wire
from polymath.data.prepare import units
from polymath.data.prepare.plan import Plan
from polymath.files import atomic_write
from polymath.tokenizer import Tokenizer

SAMPLES = 12
BARS = 24
THUMBNAIL = 128


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


def write(out: Path, plan: Plan, rows: pa.Table, sources: dict[str, Any]) -> None:
    """Write OUT/card.html, which loads nothing from elsewhere."""
    template = resources.files("polymath.data.prepare").joinpath("card.html.j2").read_text()
    sections = [_section(out, plan, rows, number, sources[s.folder]) for number, s in enumerate(plan.sources)]
    page = (
        jinja2.Environment(autoescape=True)
        .from_string(template)
        .render(sections=sections, layout=plan.layout, settings=plan.settings)
    )
    with atomic_write(out / "card.html") as temporary:
        temporary.write_text(page)


def _section(out: Path, plan: Plan, rows: pa.Table, number: int, facts: dict[str, Any]) -> dict[str, Any]:
    table = rows.filter(pc.equal(rows["source"], number))
    left_out = table.filter(pc.not_equal(table["status"], "kept"))
    kept = table.filter(pc.equal(table["status"], "kept"))
    reasons = sorted(pc.value_counts(left_out["kind"]).to_pylist(), key=lambda entry: -entry["counts"])
    return {
        "facts": facts,
        "reasons": reasons,
        "tokens": histogram(kept["tokens"].to_numpy() / np.maximum(kept["documents"].to_numpy(), 1)),
        "characters": histogram(kept["characters"].to_numpy()),
        "samples": _samples(out, plan, number),
    }


def histogram(values: np.ndarray) -> dict[str, Any]:
    """Bars of height 0 to 100 over equal intervals from the smallest to the largest value."""
    if not len(values):
        return {"bars": [], "low": 0, "high": 0}
    counts, edges = np.histogram(values, bins=BARS)
    return {
        "bars": (100 * counts / counts.max()).round(1).tolist(),
        "low": f"{edges[0]:.0f}",
        "high": f"{edges[-1]:.0f}",
    }


def _samples(out: Path, plan: Plan, number: int) -> list[dict[str, str]]:
    """Documents evenly spaced over the first part: first picture and text without control tokens."""
    part = next((part for part in plan.parts() if part.source == number), None)
    if part is None:
        return []
    tokenizer = Tokenizer.load(out / "tokenizer.json")
    table = pq.read_table(units.work_file(out, part, "documents.parquet"))
    chosen = sorted(set(np.linspace(0, len(table) - 1, SAMPLES).astype(int).tolist())) if len(table) else []
    found = []
    for index in chosen:
        document = wire.decode(table["data"][index].as_py())
        words = [int(token) for token in document["tokens"] if token >= tokenizer.control.size]
        picture = _thumbnail(document["jpegs"][0]) if document["jpegs"] else ""
        found.append({"picture": picture, "text": tokenizer.decode(words)[:200]})
    return found


def _thumbnail(jpeg: bytes) -> str:
    with Image.open(io.BytesIO(jpeg)) as picture:
        picture.thumbnail((THUMBNAIL, THUMBNAIL))
        buffer = io.BytesIO()
        picture.save(buffer, format="JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
