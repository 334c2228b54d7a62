"""The page of an open-loop evaluation: tables of errors, and curves of predicted against recorded actions."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from polymath import pages
from polymath.evaluation.openloop.errors import OpenLoop, Predicted
from polymath.svg import element
from polymath.types import Embodiment

_HERE = Path(__file__).parent
WIDTH, HEIGHT, MARGIN = 360.0, 110.0, 8.0


def write_page(result: OpenLoop, shown: Sequence[Predicted], robot: Embodiment, path: Path) -> None:
    """Write the page with the curves of the episodes `shown`, whole or not at all."""
    page = (
        pages.environment(_HERE)
        .get_template("page.html.j2")
        .render(
            result=result,
            episodes=[
                {"name": each.name, "instruction": each.instruction, "curves": curves(each, robot)} for each in shown
            ],
        )
    )
    pages.write(page, path)


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
