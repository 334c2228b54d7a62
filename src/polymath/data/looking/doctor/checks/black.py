"""Does a camera see anything?"""

import numpy as np

from polymath.data.looking.doctor.findings import Finding, Severity
from polymath.data.looking.doctor.population import Population
from polymath.data.looking.doctor.robust import far

DARK = 20.0
"""99 % of the pixels are darker: black in video's limited range is 16 of 255 (ITU-R BT.601), and a few for noise."""
PLAIN = 1.0
"""Standard deviation in grey levels: one colour all over, as a codec or a driver that failed makes it."""
WHOLE, SOME = 0.5, 0.15  # of the moments


def black(population: Population) -> list[Finding]:
    """Black or one-coloured pictures in half of the moments: drop; in far more of them than in other episodes: look."""
    findings = []
    for camera, name in enumerate(population.robot.cameras):
        seen = [episode.pictures for episode in population.episodes]
        is_dark = [pictures.bright[:, camera] < DARK for pictures in seen]
        is_plain = [pictures.contrast[:, camera] < PLAIN for pictures in seen]
        shares = np.array([(d | p).mean() for d, p in zip(is_dark, is_plain, strict=True)])
        unusual = far(shares, SOME)
        for number, share in enumerate(shares):
            if share < WHOLE and not unusual[number]:
                continue
            state = "black" if is_dark[number].mean() >= is_plain[number].mean() else "of one colour"
            steps = seen[number].steps[is_dark[number] | is_plain[number]]
            text = f"camera {name!r} is {state} in {share:.0%} of the moments"
            severity: Severity = "drop" if share >= WHOLE else "look"
            findings.append(Finding("black", number, severity, text, (int(steps[0]), int(steps[-1])), (name,)))
    return findings
