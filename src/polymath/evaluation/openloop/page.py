"""The page of an open-loop evaluation: tables of errors, and curves of predicted against recorded actions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from polymath import pages
from polymath.data.interface import EpisodeSet, camera_frames
from polymath.data.looking.sample import spaced
from polymath.data.looking.thumbnails import jpeg_uri, within
from polymath.evaluation.openloop.errors import Predicted
from polymath.evaluation.openloop.result import OpenLoop, ProbeResult
from polymath.evaluation.report.charts import LineChart, Series, difference_mark, line_chart
from polymath.svg import element
from polymath.types import Embodiment

_HERE = Path(__file__).parent
WIDTH, HEIGHT, MARGIN = 360.0, 110.0, 8.0
MOMENTS = 8  # pictures of each camera below the curves
LONGEST = 160  # pixels of a picture's longer side
Strips = Sequence[tuple[str, Sequence[str]]]


def film_strip(source: EpisodeSet, episode: int) -> list[tuple[str, list[str]]]:
    """Per camera its name and pictures evenly spaced over the episode, as JPEGs in their own aspect."""
    steps = spaced(len(source.actions(episode)), MOMENTS)
    return [
        (name, [jpeg_uri(within(picture, LONGEST)) for picture in camera_frames(source, episode, camera, steps)])
        for camera, name in enumerate(source.embodiment.cameras)
    ]


def write_page(
    result: OpenLoop,
    shown: Sequence[Predicted],
    strips: Sequence[Strips],
    robot: Embodiment,
    path: Path,
    command: str = "",
) -> None:
    """Write the page with the curves and pictures of the episodes `shown`, whole or not at all."""
    scores = {each.name: each.relative for each in result.by_episode}
    page = (
        pages.environment(_HERE)
        .get_template("page.html.j2")
        .render(
            result=result,
            robot=robot,
            command=command,
            horizon=horizon(result),
            probes=[_probe(each, result) for each in result.probes],
            episodes=[
                {
                    "name": each.name,
                    "instruction": each.instruction,
                    "relative": scores[each.name],
                    "curves": curves(each, robot),
                    "strips": strip,
                }
                for each, strip in zip(shown, strips, strict=True)
            ],
        )
    )
    pages.write(page, path)


def horizon(result: OpenLoop) -> list[LineChart]:
    """By step of the chunk: the relative error of the motion, and the gripper's accuracy."""
    lines = {"Relative error": [Series("motion", 0, _steps(result.relative_by_step), list(result.relative_by_step))]}
    lines |= {
        f"{each.name}: share right": [Series(each.name, 2, _steps(each.by_step), list(each.by_step))]
        for each in result.gripper
    }
    return [line_chart(title, series) for title, series in lines.items() if len(series[0].values) > 1]


def _steps(values: Sequence[float]) -> list[int]:
    return list(range(1, len(values) + 1))


def _probe(probe: ProbeResult, result: OpenLoop) -> dict[str, Any]:
    if probe.interval is None or probe.difference is None:
        return {"name": probe.name, "skipped": probe.skipped}
    low, high = probe.interval
    reach = max(abs(end) for other in result.probes for end in other.interval or ()) or 1.0
    text = f"{probe.difference:+.3f}, interval {low:+.3f} to {high:+.3f}"
    answer = f"it uses its {probe.sense}" if probe.uses else f"no sign that it uses its {probe.sense}"
    mark = difference_mark(probe.difference / reach, low / reach, high / reach, 5 if probe.uses else 3, text)
    return {**vars(probe), "text": text, "answer": answer, "mark": mark, "skipped": ""}


def curves(episode: Predicted, robot: Embodiment) -> list[tuple[str, Markup]]:
    """Per action dimension its name and the drawing."""
    return [(name, curve(episode, dimension, name)) for dimension, name in enumerate(robot.action_names)]


def curve(episode: Predicted, dimension: int, name: str) -> Markup:
    """Recorded actions, the first action of each chunk, and thinly the rest of every chunk."""
    recorded = episode.actions[:, dimension]
    chunks = episode.chunks[:, :, dimension]
    values = np.concatenate([recorded, chunks.ravel()])
    low, high = float(values.min()), float(values.max())
    length = len(recorded)

    def line(style: str, steps: np.ndarray, heights: Float[np.ndarray, " n"]) -> Markup:
        x = MARGIN + (WIDTH - 2 * MARGIN) * steps / max(length - 1, 1)
        share = (heights - low) / (high - low) if high > low else np.full(len(heights), 0.5)
        y = HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * share
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
        return element("polyline", class_=style, points=points)

    rest = [
        line("chunk", np.arange(step, min(step + len(chunk), length)), chunk[: length - step])
        for step, chunk in zip(episode.steps, chunks, strict=True)
    ]
    marks = [*rest, line("recorded", np.arange(length), recorded), line("predicted", episode.steps, chunks[:, 0])]
    text = f"{name}: recorded and predicted over {length} control steps, from {low:.3g} to {high:.3g}"
    return element("svg", marks, class_="curve", role="img", aria_label=text, viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}")
