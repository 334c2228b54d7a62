"""Do actions stand at their limits?"""

import numpy as np

from polymath.data.looking.doctor.findings import Finding
from polymath.data.looking.doctor.population import Population

AT = 1e-3  # of the set's span: at the limit
MOVES = 0.05  # of the set's span: the dimension is used in the episode
LEAST = 0.25  # of the control steps
FREE = 0.1
"""Of the control steps of the others: where scripts or speed limits hold actions, standing at a limit is no fault."""
FEWEST = 5  # episodes that use the dimension


def saturated(population: Population) -> list[Finding]:
    """An arm's action stays at its largest or smallest value for a quarter of the steps, which hardly any other does.

    The episode's own extremes count, not the set's: a limit may have been set lower for a session. At least two steps
    in a row, since a curve touches its extreme once. Asked where four of five episodes stay free of limits.
    """
    findings = []
    for place in population.arm_actions:
        span = population.action_span[place]
        columns = [actions[:, place] for actions in population.actions]
        users = [number for number, column in enumerate(columns) if span > 1e-9 and np.ptp(column) > MOVES * span]
        shares = np.array([_share(columns[number], AT * span) for number in users])
        if len(users) < FEWEST or np.quantile(shares, 0.8) > FREE:
            continue
        name = population.robot.action_names[place]
        for number, share in zip(users, shares.tolist(), strict=True):
            if share > LEAST:
                low, high = columns[number].min(), columns[number].max()
                text = f"action {name!r} stands at its limit ({low:.3g} or {high:.3g}) in {share:.0%} of the steps"
                findings.append(Finding("saturated", number, "look", text, None, (name,)))
    return findings


def _share(column: np.ndarray, tolerance: float) -> float:
    """Of the steps, those that stand at an extreme and have a neighbour that does too."""
    at = [column >= column.max() - tolerance, column <= column.min() + tolerance]
    return float(max((each[1:] & each[:-1]).mean() if len(each) > 1 else 0.0 for each in at))
