"""Is each camera the same in all episodes?"""

from itertools import permutations

import numpy as np

from polymath.data.looking.doctor.findings import Finding
from polymath.data.looking.doctor.population import Population

BETTER = 0.5
"""Of the distance as named: the cameras in another order fit the set twice as well."""
LEAST = 8.0  # grey levels between a camera's usual picture and this one; a lamp that is switched on makes a few
MOST_CAMERAS = 5  # 120 orders


def swapped(population: Population) -> list[Finding]:
    """The mean colours of each camera, on a grid of 8 x 8, fit the set's usual ones better in another order."""
    cameras = population.robot.cameras
    if not 2 <= len(cameras) <= MOST_CAMERAS:
        return []
    seen = np.stack([episode.pictures.signature for episode in population.episodes])  # [episodes, C, 8, 8, 3]
    usual = np.median(seen, axis=0)
    findings = []
    for number, signature in enumerate(seen):
        distance = np.abs(signature[:, None] - usual[None]).mean(axis=(2, 3, 4))  # [as recorded, as usual]
        named = float(np.trace(distance)) / len(cameras)
        costs = {
            order: float(distance[order, range(len(cameras))].mean()) for order in permutations(range(len(cameras)))
        }
        order = min(costs, key=lambda each: costs[each])
        if named < LEAST or costs[order] > BETTER * named:
            continue
        moved = [f"{cameras[a]!r} holds {cameras[b]!r}" for b, a in enumerate(order) if a != b]
        text = f"cameras are swapped: {', '.join(moved)}"
        findings.append(Finding("swapped", number, "drop", text, None, cameras))
    return findings
