"""From ReportData to the HTML page: `sections` works out the numbers, the template only sets them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from polymath import pages
from polymath.errors import DataError
from polymath.evaluation.report import chains, probes, sections
from polymath.evaluation.report import published as others
from polymath.evaluation.report.data import ReportData, Video
from polymath.evaluation.report.pictures import mp4_uri

LARGEST_GALLERY = 24
_HERE = Path(__file__).parent


def write_report(data: ReportData, path: Path) -> None:
    """Write the page to `path`, whole or not at all."""
    pages.write(render_report(data), path)


def render_report(data: ReportData) -> str:
    """The page as one string of HTML. Raises DataError if `policy` has no result or a video is missing."""
    identities = [policies[data.policy].identity for policies in data.results.values() if data.policy in policies]
    if not identities:
        raise DataError(f"report: the results hold no policy {data.policy!r}; evaluate it first")
    colours = sections.colours(data)
    return (
        pages.environment(_HERE)
        .get_template("report.html.j2")
        .render(
            data=data,
            style=Markup((_HERE / "style.css").read_text(encoding="utf-8")),
            identity=identities[0],
            summary=sections.summary(data),
            same_scenes=sections.same_scenes(data),
            cards=sections.cards(data),
            chains=chains.chains(data, colours),
            probes=probes.probes(data),
            splits=[sections.split(data, name, colours) for name in data.results],
            failures=[_embedded(video) for video in data.failures[:LARGEST_GALLERY]],
            videos=[_embedded(video) for video in _failed_first(data.videos)[:LARGEST_GALLERY]],
            published=others.table(data.published),
            attention=[sections.attention(picture) for picture in data.attention],
            runs=[{"name": c.run, "colour": colours[c.run]} for c in data.curves],
            phases=sections.phases(data.curves, colours),
            parameters=sections.parameters(data.parameters),
            stages=sections.stages(data.stages, data.whole),
            facts=sections.facts(data, identities[0]),
        )
    )


def _embedded(video: Video) -> dict[str, Any]:
    return {**vars(video), "uri": mp4_uri(video.path)}


def _failed_first(videos: Sequence[Video]) -> list[Video]:
    return sorted(videos, key=lambda video: video.outcome.startswith("success"))
