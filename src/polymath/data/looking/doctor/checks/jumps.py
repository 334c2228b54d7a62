"""Does the robot leap?"""

import numpy as np

from polymath.data.looking.doctor.findings import Finding
from polymath.data.looking.doctor.population import Population

FASTER = 4.0
"""Times the fastest step of the median episode: a person who hurries moves twice as fast."""
SUDDEN = 4.0
"""Times the median of the ten steps around: a fast motion also is fast before and after."""
LEAST = 0.3  # of the room that the dimension takes in the whole set, in one step
AROUND = 5  # steps before and after


def jumps(population: Population) -> list[Finding]:
    """A state, or an action that is a position, that moves far more in one step than around it and in other episodes.

    Grippers, switches and displacements (delta actions) may leap. Wrapped angles and quaternions are made continuous
    before.
    """
    robot, findings = population.robot, {}
    groups = [("state", robot.state_names, population.arm_states, population.states, population.state_room)]
    if population.relation.kind == "absolute" and population.relation.pairs:
        groups.append(
            ("action", robot.action_names, population.arm_actions, population.actions, population.action_room)
        )
    for kind, names, places, arrays, rooms in groups:
        steps = [np.abs(np.diff(values, axis=0)) for values in arrays]
        for place in places:
            fastest = float(np.median([step[:, place].max(initial=0) for step in steps]))
            limit = max(FASTER * fastest, LEAST * rooms[place])
            for number, step in enumerate(steps):
                at = _worst(step[:, place], limit)
                if at is None or number in findings:
                    continue
                text = (
                    f"{kind} {names[place]!r} leaps by {step[at, place]:.3g} after control step {at}; the fastest step "
                    f"of an episode usually is {fastest:.2g}"
                )
                findings[number] = Finding("jump", number, "look", text, (at, at + 1), (names[place],))
    return list(findings.values())


def _worst(step: np.ndarray, limit: float) -> int | None:
    """The largest step above the limit that stands out from those around it, None without one."""
    for at in np.argsort(-step, kind="stable").tolist():
        if step[at] <= limit:
            return None
        around = np.concatenate([step[max(0, at - AROUND) : max(0, at - 1)], step[at + 2 : at + 2 + AROUND]])
        if not len(around) or step[at] > SUDDEN * np.median(around):
            return at
    return None
