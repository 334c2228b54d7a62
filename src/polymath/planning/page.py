"""The answer of `polymath plan` as one HTML file that needs nothing else."""

from pathlib import Path
from typing import Any

from polymath import pages
from polymath.planning.pictures import memory_bar, timeline

GIB = 2**30


def write_page(report: dict[str, Any], path: Path) -> None:
    """Write the page to `path`, whole or not at all."""
    pages.write(render(report), path)


def render(report: dict[str, Any]) -> str:
    """An estimate as one HTML page that loads nothing else."""
    environment = pages.environment(Path(__file__).parent)
    environment.filters["gib"] = lambda size: f"{size / GIB:,.2f}"
    environment.filters["percent"] = lambda share: f"{100 * share:.1f}"
    pictures = {name: timeline(report, name) for name in report["scenarios"]}
    return environment.get_template("plan.html.j2").render(
        report=report, memory=memory_bar(report["memory"]), timelines=pictures
    )
