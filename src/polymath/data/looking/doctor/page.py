"""The page of a diagnosis: what is wrong with which episode, with its pictures and curves."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from polymath import pages
from polymath.data.looking.doctor import plots
from polymath.data.looking.doctor.checks.lag import lags
from polymath.data.looking.doctor.diagnosis import Diagnosis
from polymath.data.looking.doctor.findings import verdict
from polymath.data.looking.thumbnails import jpeg_uri

_HERE = Path(__file__).parent
SHOWN = 60  # episodes with findings whose pictures and curves are drawn
THUMBNAILS = 240  # episodes without one


def write_page(diagnosis: Diagnosis, path: Path, command: str = "") -> None:
    """Write the page, whole or not at all; it loads nothing from elsewhere. `command` is shown as what repeats it."""
    population = diagnosis.population
    verdicts = diagnosis.verdicts()
    blamed = [number for number, each in enumerate(verdicts) if each != "keep"]
    blamed.sort(key=lambda number: (verdicts[number] != "drop", number))
    kept = [number for number, each in enumerate(verdicts) if each == "keep"]
    measured = lags(population).steps
    page = (
        pages.environment(_HERE)
        .get_template("page.html.j2")
        .render(
            diagnosis=diagnosis,
            robot=population.robot,
            counts={word: verdicts.count(word) for word in ("keep", "look", "drop")},
            lag=diagnosis.lag,
            lags=_lags(diagnosis, measured) if len(population.episodes) > 1 and not np.isnan(measured).all() else None,
            sections=[_section(diagnosis, number) for number in blamed[:SHOWN]],
            others=[(population.episodes[number].name, diagnosis.of(number)) for number in blamed[SHOWN:]],
            kept=[_thumbnail(diagnosis, number) for number in kept[:THUMBNAILS]],
            unseen=max(0, len(kept) - THUMBNAILS),
            command=command,
        )
    )
    pages.write(page, path)


def _lags(diagnosis: Diagnosis, measured: np.ndarray) -> Markup:
    blamed = [finding.episode for finding in diagnosis.findings if finding.check == "lag"]
    return plots.dots(measured, blamed, [each.name for each in diagnosis.population.episodes], "control steps")


def _section(diagnosis: Diagnosis, number: int) -> dict[str, Any]:
    episode, findings = diagnosis.population.episodes[number], diagnosis.of(number)
    strips = [
        {"camera": camera, "pictures": [jpeg_uri(picture) for picture in pictures]}
        for camera, pictures in zip(diagnosis.population.robot.cameras, episode.pictures.strip, strict=True)
    ]
    return {
        "name": episode.name,
        "verdict": verdict(findings),
        "instruction": episode.instruction,
        "steps": len(episode.actions),
        "findings": findings,
        "strips": strips,
        "curves": plots.curves(diagnosis.population, number, findings),
    }


def _thumbnail(diagnosis: Diagnosis, number: int) -> dict[str, Any]:
    episode = diagnosis.population.episodes[number]
    middle = [jpeg_uri(pictures[len(pictures) // 2], 60) for pictures in episode.pictures.strip]
    return {"name": episode.name, "instruction": episode.instruction, "pictures": middle}


def keep_lines(names: Sequence[str]) -> str:
    """One name a line, as `?episodes=@FILE` reads them."""
    return "".join(f"{name}\n" for name in names)
