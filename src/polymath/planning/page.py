"""The answer of `polymath plan` as one HTML file that needs nothing else."""

from pathlib import Path
from typing import Any

import jinja2

from polymath.files import atomic_write
from polymath.planning.pictures import memory_bar, timeline

GIB = 2**30


def write_page(report: dict[str, Any], path: Path) -> None:
    """Write the page to `path`, whole or not at all."""
    page = render(report)
    with atomic_write(Path(path)) as temporary:
        temporary.write_text(page, encoding="utf-8")


def render(report: dict[str, Any]) -> str:
    """An estimate as one HTML page that loads nothing else."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["gib"] = lambda size: f"{size / GIB:,.2f}"
    environment.filters["percent"] = lambda share: f"{100 * share:.1f}"
    pictures = {name: timeline(report, name) for name in report["scenarios"]}
    return environment.get_template("plan.html.j2").render(
        report=report, memory=memory_bar(report["memory"]), timelines=pictures
    )
