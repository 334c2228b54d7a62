"""Were control steps lost, and does the clock keep the set's pace?"""

import numpy as np

from polymath.data.looking.doctor.findings import Finding, Severity
from polymath.data.looking.doctor.population import Population
from polymath.data.looking.doctor.robust import far

GAP = 1.6
"""Paces from one step to the next: more than jitter, less than two."""
LOST, MANY = 0.01, 0.1  # share of the control steps that is missing
IN_A_ROW = 3  # steps missing at one place: a tenth of a second at 30 Hz
DRIFT = 0.02
"""Of the set's pace: 1 s in a minute. NTSC's 29.97 beside 30 is 0.1 %."""


def clock(population: Population) -> list[Finding]:
    """Gaps between timestamps that hold whole control steps, and a pace that is not the set's.

    More than 1 % missing, or 3 in a row, and far more than in the others: look; more than 10 %: drop. Sets whose format
    keeps no clock have no finding.
    """
    timed = [number for number, e in enumerate(population.episodes) if e.times is not None and len(e.times) > 2]
    if not timed:
        return []
    waits = {number: np.diff(np.asarray(population.episodes[number].times, np.float64)) for number in timed}
    pace = float(np.median([np.median(wait) for wait in waits.values()]))
    missing = {number: np.where(wait > GAP * pace, np.round(wait / pace) - 1, 0) for number, wait in waits.items()}
    shares = np.full(len(population.episodes), np.nan)
    worst = np.full(len(population.episodes), np.nan)
    drift = np.full(len(population.episodes), np.nan)
    for number in timed:
        shares[number] = missing[number].sum() / (missing[number].sum() + len(waits[number]) + 1)
        worst[number] = missing[number].max()
        drift[number] = (
            np.abs(np.mean(waits[number][missing[number] == 0]) / pace - 1) if not missing[number].all() else 0
        )
    lost = far(shares, LOST) | far(worst, IN_A_ROW - 0.5)
    findings = []
    for number in timed:
        if lost[number]:
            at = int(np.argmax(missing[number]))
            text = (
                f"{int(missing[number].sum())} control steps are missing ({shares[number]:.1%}), at most "
                f"{int(worst[number])} in a row, after step {at}"
            )
            severity: Severity = "drop" if shares[number] > MANY else "look"
            findings.append(Finding("clock", number, severity, text, (at, at + 1)))
    for number in np.flatnonzero(far(drift, DRIFT)).tolist():
        mean = float(np.mean(waits[number][missing[number] == 0]))
        text = f"its clock drifts: {1000 * mean:.1f} ms a control step, {1000 * pace:.1f} ms in the other episodes"
        findings.append(Finding("clock", number, "look", text))
    return findings
