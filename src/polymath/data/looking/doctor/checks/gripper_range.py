"""Is the gripper written in the set's numbers?"""

import numpy as np

from polymath.data.looking.doctor.findings import Finding, Severity
from polymath.data.looking.doctor.population import Population
from polymath.data.looking.doctor.robust import apart

OUTSIDE = 0.5  # of the usual range, between all others and what lies beyond them
NARROW, LEAST = 0.2, 1e-3
"""Of the usual range: 0 to 1 beside 0 to 100 is a hundredth, a wide object held a half; less is noise."""
DWELLS = 0.1  # of the control steps, in the upper and in the lower quarter of the episode's own range
SUDDEN = 0.5  # of the episode's own range within five steps: it opens or closes, where a gripper at rest drifts


def gripper_range(population: Population) -> list[Finding]:
    """A gripper that leaves the usual range by half of it (drop), or that opens and closes within a fifth of it (look).

    The second one must also have the usual range in small: its ends are those of the others times one factor.
    """
    robot = population.robot
    findings: dict[int, Finding] = {}
    for kind, names, places, arrays, spans in (
        ("action", robot.action_names, population.gripper_actions, population.actions, population.action_span),
        ("state", robot.state_names, population.gripper_states, population.states, population.state_span),
    ):
        for place in places:
            columns = [values[:, place] for values in arrays]
            used = [column for column in columns if np.ptp(column) > 0.5 * spans[place]]
            if len(used) < 2 or spans[place] <= 1e-9:
                continue
            low, high = (float(np.median([end(column) for column in used])) for end in (np.min, np.max))
            above = apart(np.array([column.max() for column in columns]), OUTSIDE * (high - low))
            below = apart(np.array([-column.min() for column in columns]), OUTSIDE * (high - low))
            for number, column in enumerate(columns):
                beyond = above[number] or below[number]
                if number not in findings and (beyond or _in_small(column, low, high)):
                    text = (
                        f"gripper {kind} {names[place]!r} is in {column.min():.3g} to {column.max():.3g}, usually in "
                        f"{low:.3g} to {high:.3g}: another range?"
                    )
                    severity: Severity = "drop" if beyond else "look"
                    findings[number] = Finding("gripper range", number, severity, text, None, (names[place],))
    return list(findings.values())


def _in_small(column: np.ndarray, low: float, high: float) -> bool:
    own = float(np.ptp(column))
    if not LEAST * (high - low) < own < NARROW * (high - low) or len(column) < 10:
        return False
    factor = own / (high - low)
    share = (column - column.min()) / own
    dwells = min((share > 0.75).mean(), (share < 0.25).mean()) > DWELLS
    sudden = np.abs(column[5:] - column[:-5]).max() > SUDDEN * own
    return bool(dwells and sudden and abs(column.min() - factor * low) < 0.5 * own)
