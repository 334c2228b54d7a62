"""Are the numbers in the set's units?"""

import numpy as np

from polymath.data.looking.doctor.findings import Finding
from polymath.data.looking.doctor.population import Population
from polymath.data.looking.doctor.robust import far

LEAST = np.log10(8.0)
"""Eight times as far or as little: degrees for radians are 57 times, millimetres for metres 1,000, inches 25."""
DIMENSIONS = 0.6  # of those that move, which must agree
MOVES = 1e-3  # of the span: less is no motion but noise


def scale(population: Population) -> list[Finding]:
    """Most of the arm's dimensions move by far more, or by far less, than in the other episodes: another unit."""
    robot, findings = population.robot, []
    groups = (
        ("states", robot.state_names, population.arm_states, population.states, population.state_span),
        ("actions", robot.action_names, population.arm_actions, population.actions, population.action_span),
    )
    for kind, names, places, arrays, spans in groups:
        used = [place for place in places if spans[place] > 1e-9]
        if len(used) < 2:
            continue
        ranges = np.stack([np.std(values[:, used], axis=0) for values in arrays]) / spans[used]
        sizes = np.log10(np.where(ranges > MOVES, ranges, np.nan))
        for sign, word in ((1, "larger"), (-1, "smaller")):
            outside = np.stack([far(column, sign * LEAST) for column in sizes.T], axis=1)
            for number in np.flatnonzero(outside.sum(axis=1) >= DIMENSIONS * len(used)).tolist():
                factor = 10 ** abs(np.nanmedian(sizes[number] - np.nanmedian(sizes, axis=0)))
                text = f"{kind} move in {factor:.0f} times {word} numbers than usual: another unit?"
                fields = tuple(names[place] for place in used[:2])
                findings.append(Finding("scale", number, "drop", text, None, fields))
    return findings
