"""Does the gripper open where it opens in the other episodes?"""

import numpy as np

from polymath.data.looking.doctor.findings import Finding
from polymath.data.looking.doctor.population import Population
from polymath.data.looking.doctor.robust import far

MOVES = 0.2  # of the set's span: the gripper is used
FOLLOWS = 0.5  # correlation of command and opening, either way
MAJORITY = 2 / 3
LATEST = 10  # control steps from a command to the opening that follows it
POINTS = 24  # of a profile over an episode's time
OPPOSITE = 0.3
"""Of its distance to the usual course, that of the mirrored episode: mirrored, it fits three times as well."""
LEAST = 0.3  # of the range, from the usual course
ALIKE = 0.25  # of the range: four of five episodes are closer to the usual course


def gripper(population: Population) -> list[Finding]:
    """A gripper whose opening follows its commands the other way round than in the others, or whose course is mirrored.

    The sign of the correlation of command and measured opening tells one of the two flipped: drop. Both flipped
    together, or no opening measured, show in the course over the episode's time beside the median one of its task, if
    that task's episodes are alike: look.
    """
    findings = {finding.episode: finding for finding in _against_command(population)}
    names = population.robot.action_names, population.robot.state_names
    for kind, owner, places, arrays in (
        ("action", names[0], population.gripper_actions, population.actions),
        ("state", names[1], population.gripper_states, population.states),
    ):
        for place in places:
            for number in _mirrored([values[:, place] for values in arrays], population):
                text = (
                    f"gripper {kind} {owner[place]!r} runs the other way round than in the other episodes of its task"
                )
                finding = Finding("gripper", number, "look", text, None, (owner[place],))
                findings.setdefault(number, finding)
    return list(findings.values())


def _against_command(population: Population) -> list[Finding]:
    findings = []
    for action, state in zip(population.gripper_actions, population.gripper_states, strict=False):
        signs = np.array([follows(population, number, action, state) for number in range(len(population.episodes))])
        known = signs[np.abs(signs) > FOLLOWS]
        if not len(known) or max((known > 0).mean(), (known < 0).mean()) < MAJORITY:
            continue
        usual = 1 if (known > 0).mean() >= MAJORITY else -1
        names = population.robot.action_names[action], population.robot.state_names[state]
        for number in np.flatnonzero(usual * signs < -FOLLOWS).tolist():
            here, elsewhere = ("against", "with") if usual > 0 else ("with", "against")
            text = (
                f"gripper is flipped: state {names[1]!r} moves {here} action {names[0]!r} (correlation "
                f"{signs[number]:+.2f}), in the other episodes {elsewhere} it"
            )
            findings.append(Finding("gripper", number, "drop", text, None, names))
    return findings


def follows(population: Population, number: int, action: int, state: int) -> float:
    """Correlation of the command with the opening up to ten steps later, where it is strongest.

    NaN where one of them moves by less than a fifth of the set's span.
    """
    command, opening = population.actions[number][:, action], population.states[number][:, state]
    spans = population.action_span[action], population.state_span[state]
    if np.ptp(command) < MOVES * spans[0] or np.ptp(opening) < MOVES * spans[1]:
        return float("nan")
    best = 0.0
    for later in range(min(LATEST, len(command) - 2) + 1):
        a, b = command[: len(command) - later], opening[later:]
        if a.std() > 1e-9 and b.std() > 1e-9:
            value = float(np.corrcoef(a, b)[0, 1])
            best = value if abs(value) > abs(best) else best
    return best


def _mirrored(columns: list[np.ndarray], population: Population) -> list[int]:
    """Episodes whose course, mirrored, fits their task's median course far better than as it is."""
    rows = np.concatenate([column[:: max(1, len(column) // POINTS)] for column in columns])
    low, high = np.quantile(rows, [0.02, 0.98])
    if high - low <= 1e-9:
        return []
    blamed = []
    for places in population.peers:
        profiles = np.stack([profile((columns[i] - low) / (high - low)) for i in places])
        usual = np.median(profiles, axis=0)
        as_is = np.abs(profiles - usual).mean(axis=1)
        turned = np.abs(1 - profiles - usual).mean(axis=1)
        if np.quantile(as_is, 0.8) > ALIKE:
            continue
        used = np.array([np.ptp(columns[i]) > MOVES * (high - low) for i in places])
        outside = used & far(as_is, LEAST) & (turned < OPPOSITE * as_is)
        blamed += [places[i] for i in np.flatnonzero(outside).tolist()]
    return blamed


def profile(course: np.ndarray) -> np.ndarray:
    """The course at evenly spaced moments."""
    return np.interp(np.linspace(0, len(course) - 1, POINTS), np.arange(len(course)), course)
