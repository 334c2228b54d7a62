"""Curves of an episode as inline SVG: states and actions over control steps, with the steps that a finding names."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from polymath.data.looking.doctor.findings import Finding
from polymath.data.looking.doctor.population import Population
from polymath.svg import element, percent, picture

WIDTH, HEIGHT, MARGIN = 360.0, 110.0, 8.0
POINTS = 400  # of a curve; more cannot be told apart at this width
MOST = 4  # curves of an episode


def curves(population: Population, number: int, findings: Sequence[Finding]) -> list[tuple[str, Markup]]:
    """Title and drawing of up to four dimensions: those that the findings name, else the first of the arm."""
    robot = population.robot
    named = [field for finding in findings for field in finding.fields if field not in robot.cameras]
    names = list(dict.fromkeys(named)) or [robot.action_names[i] for i in population.arm_actions[:2]]
    marked = [finding.steps for finding in findings if finding.steps is not None]
    drawn: dict[tuple[int | None, int | None], tuple[str, Markup]] = {}
    for name in names:
        action, state = _places(population, name)
        if (action, state) not in drawn:
            drawn[action, state] = _curve(population, number, action, state, marked)
    return list(drawn.values())[:MOST]


def _places(population: Population, name: str) -> tuple[int | None, int | None]:
    """The action and the state that belong together, of which one has that name."""
    robot = population.robot
    action = robot.action_names.index(name) if name in robot.action_names else None
    state = robot.state_names.index(name) if name in robot.state_names else None
    pairs = [(pair.action, pair.state) for pair in population.relation.pairs]
    pairs += list(zip(population.gripper_actions, population.gripper_states, strict=False))
    for one, other in pairs:
        if action == one and state is None:
            return action, other
        if state == other and action is None:
            return one, state
    return action, state


def _curve(
    population: Population, number: int, action: int | None, state: int | None, marked: Sequence[tuple[int, int]]
) -> tuple[str, Markup]:
    robot, lines, titles = population.robot, [], []
    if action is not None:
        values = population.actions[number][:, action]
        together = population.relation.kind == "absolute" or action in population.gripper_actions
        lines.append(("action", values))
        titles.append(f"action {robot.action_names[action]}{'' if together else ' (own scale)'}")
    if state is not None:
        lines.append(("state", population.episodes[number].states[:, state].astype(np.float64)))
        titles.append(f"state {robot.state_names[state]}")
    title = ", ".join(titles)
    return title, drawing(title, lines, marked, shared=population.relation.kind == "absolute")


def drawing(
    title: str, lines: Sequence[tuple[str, Float[np.ndarray, " T"]]], marked: Sequence[tuple[int, int]], shared: bool
) -> Markup:
    """Lines of the classes given, each over all its steps; `shared`: on one scale, else each on its own."""
    length = len(lines[0][1])
    limits = [(float(values.min()), float(values.max())) for _, values in lines]
    if shared:
        limits = [(min(low for low, _ in limits), max(high for _, high in limits))] * len(limits)
    marks = [_band(first / max(length - 1, 1), last / max(length - 1, 1)) for first, last in marked]
    for (style, values), (low, high) in zip(lines, limits, strict=True):
        at = np.linspace(0, length - 1, min(length, POINTS)).astype(int)
        share = (values[at] - low) / (high - low) if high > low else np.full(len(at), 0.5)
        x = MARGIN + (WIDTH - 2 * MARGIN) * at / max(length - 1, 1)
        y = HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * share
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
        marks.append(element("polyline", class_=style, points=points))
    return element("svg", marks, class_="curve", role="img", aria_label=title, viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}")


def _band(first: float, last: float) -> Markup:
    """The steps that a finding names, at least two pixels wide."""
    x = MARGIN + (WIDTH - 2 * MARGIN) * first
    width = max(2.0, (WIDTH - 2 * MARGIN) * (last - first))
    return element("rect", class_="marked", x=f"{x:.1f}", y="0", width=f"{width:.1f}", height=f"{HEIGHT:g}")


def dots(values: Float[np.ndarray, " n"], blamed: Sequence[int], names: Sequence[str], unit: str) -> Markup:
    """Every episode's value as a dot on one axis; those of `blamed` stand out. NaN has no dot."""
    known = values[~np.isnan(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    marks = []
    for number in sorted(np.flatnonzero(~np.isnan(values)).tolist(), key=lambda each: each in blamed):
        share = 0.02 + 0.96 * ((values[number] - low) / (high - low) if high > low else 0.5)
        title = element("title", [f"{names[number]}: {values[number]:.2f} {unit}"])
        style = "dot blamed" if number in blamed else "dot"
        marks.append(element("circle", [title], class_=style, cx=percent(share), cy="50%", r="5"))
    return picture("dots", f"{len(known)} episodes from {low:.2f} to {high:.2f} {unit}", marks)
