"""Is a camera in focus?"""

import numpy as np

from polymath.data.looking.doctor.findings import Finding
from polymath.data.looking.doctor.population import Population
from polymath.data.looking.doctor.robust import far

LEAST = 1.0
"""Octaves: half the share of the finest details, which a Gaussian blur of about one pixel takes away."""


def blurred(population: Population) -> list[Finding]:
    """A camera whose pictures hold far fewer of the finest details than in the other episodes, in the median moment."""
    findings = []
    for camera, name in enumerate(population.robot.cameras):
        sharpness = np.array([_median(episode.pictures.sharpness[:, camera]) for episode in population.episodes])
        usual = np.nanmedian(sharpness) if not np.isnan(sharpness).all() else 0.0
        for number in np.flatnonzero(far(sharpness, -LEAST)).tolist():
            factor = 2 ** (usual - sharpness[number])
            text = f"camera {name!r} is blurred: {factor:.1f} times fewer fine details than usual"
            findings.append(Finding("blurred", number, "look", text, None, (name,)))
    return findings


def _median(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else float("nan")
