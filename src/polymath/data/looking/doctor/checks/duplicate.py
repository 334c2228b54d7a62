"""Is an episode in the set twice?"""

from collections import defaultdict

import numpy as np

from polymath.data.looking.doctor.findings import Finding
from polymath.data.looking.doctor.population import Population
from polymath.data.looking.doctor.reading import Recorded

ROUNDED = 1e-4
"""Of a dimension's span: below what encoders resolve, above what float32 and text files lose."""
IN_A_ROW = 3  # control steps that must be equal together: one pose may be taken up again
SAME_PICTURE = 6.0  # grey levels of a cell of the mean picture: a codec changes 1 or 2, a moved object tens
SHARED = 0.9
"""Of an episode's moving steps: scripted demonstrations in scenes that are nearly alike share up to 0.8."""


def duplicate(population: Population) -> list[Finding]:
    """At least nine tenths of its moving control steps are, three in a row, those of an earlier episode, which stays.

    Copies that were trimmed, renamed or encoded again count too. Where the lengths are equal, so must be the pictures:
    a script may move alike in another scene.
    """
    owners: dict[bytes, list[int]] = defaultdict(list)
    findings = []
    for number, episode in enumerate(population.episodes):
        pieces = _pieces(population, number)
        counts: dict[int, int] = defaultdict(int)
        for piece in pieces:
            for owner in owners[piece]:
                counts[owner] += 1
        twin = max(counts, key=lambda each: counts[each], default=None)
        if (
            twin is not None
            and counts[twin] >= SHARED * len(pieces)
            and _look_alike(episode, population.episodes[twin])
        ):
            other = population.episodes[twin]
            same = (
                ""
                if episode.instruction == other.instruction
                else f", under another instruction: {other.instruction!r}"
            )
            share = counts[twin] / len(pieces)
            text = f"{share:.0%} of it are the same as {other.name}{same}"
            findings.append(Finding("duplicate", number, "drop", text))
            continue
        for piece in pieces:
            owners[piece].append(number)
    return findings


def _look_alike(one: Recorded, other: Recorded) -> bool:
    if len(one.actions) != len(other.actions):
        return True
    return float(np.abs(one.pictures.signature - other.pictures.signature).max()) < SAME_PICTURE


def _pieces(population: Population, number: int) -> set[bytes]:
    """Every three control steps in a row in which something moves, as rounded whole numbers."""
    spans = np.concatenate([population.state_span, population.action_span])
    rows = np.concatenate([population.states[number], population.actions[number]], axis=1)
    whole = np.round(rows / np.maximum(ROUNDED * spans, 1e-9)).astype(np.int64)
    pieces = set()
    for first in range(len(whole) - IN_A_ROW + 1):
        piece = whole[first : first + IN_A_ROW]
        if (piece[0] != piece[-1]).any():
            pieces.add(piece.tobytes())
    return pieces
