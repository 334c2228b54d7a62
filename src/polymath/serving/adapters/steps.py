"""Conversions of vectors one after the other, each with its inverse: units, motion, rotations, grippers, order."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from polymath.data.robots import conversions
from polymath.errors import ConfigError, DataError
from polymath.policy.contract import State
from polymath.serving.adapters import motions, rotations
from polymath.serving.adapters.units import in_si

Numbers = Float[np.ndarray, "n D"]
Start = Float[np.ndarray, " state_dim"]
Motion = Callable[[Numbers, Start, list[motions.Track]], Numbers]


class Step(NamedTuple):
    """kind: what an adapter's `convert` must name. name, source and target say in words what happens, source on the
    checkpoint's side.

    Both directions take rows and the state of the observation, in SI units.
    """

    kind: str
    name: str
    source: str
    target: str
    forward: Callable[[Numbers, Start], Numbers]
    backward: Callable[[Numbers, Start], Numbers]


@dataclass(frozen=True)
class Way:
    """The steps from the checkpoint to the client. `names` and `units` are those of the client's dimensions."""

    steps: tuple[Step, ...]
    names: tuple[str, ...]
    units: tuple[str, ...] | None

    def to_client(self, values: Numbers, start: Start) -> Numbers:
        for step in self.steps:
            values = step.forward(values, start)
        return values

    def to_checkpoint(self, values: Numbers, start: Start) -> Numbers:
        for step in reversed(self.steps):
            values = step.backward(values, start)
        return values


def si(values: Float[np.ndarray, "*n D"], units: tuple[str, ...] | None) -> Float[np.ndarray, "*n D"]:
    """As float64 in SI units; unchanged where the units are not known."""
    values = np.asarray(values, np.float64)
    return values if units is None else values * np.array([in_si(unit)[1] for unit in units])


class Steps:
    """Steps so far, and the names and units of the dimensions after them."""

    def __init__(self, names: tuple[str, ...], units: tuple[str, ...] | None) -> None:
        self.steps: list[Step] = []
        self.names, self.units, self._first_units = names, units, units

    def rotate(self, target: str) -> None:
        """Every rotation written as `target`; its units are then rad or 1."""
        source, after = self.names, rotations.renamed(self.names, target)
        kind = rotations.groups(source)[0].kind
        if self.units is not None:
            units = list(self.units)
            for group in reversed(rotations.groups(source)):
                width = len(rotations.NAMES[target])
                units[group.start : group.stop] = ["rad" if width == 3 else "1"] * width
            self.units = tuple(units)
        self.steps.append(
            Step(
                "rotation",
                "rotation",
                kind,
                target,
                lambda values, _: rotations.rewritten(values, source, target),
                lambda values, _: rotations.rewritten(values, after, kind),
            )
        )
        self.names = after

    def move(self, ours: str | None, theirs: str | None, state: State) -> None:
        """Deltas as absolute commands or back, from the state. Raises DataError where nothing converts the two."""
        text = f"motion {ours} -> {theirs}"
        if state.units is None or self.units is None:
            raise DataError(f"{text}: needs the units of state and action, which the checkpoint does not say", "motion")
        if motions.ABSOLUTE.get(str(ours)) == theirs:
            to: Motion = motions.to_absolute
            back: Motion = motions.to_delta
        elif motions.DELTA.get(str(ours)) == theirs:
            to, back = motions.to_delta, motions.to_absolute
        else:
            raise DataError(f"{text}: there is no such conversion; it needs the robot's kinematics", "motion")
        still = set(grippers(self.names))
        moving = motions.tracks(self.names, state.names, still)
        self.steps.append(
            Step(
                "motion",
                "motion",
                str(ours),
                str(theirs),
                lambda values, start: to(values, start, moving),
                lambda values, start: back(values, start, moving),
            )
        )
        self.names = motions.renamed(self.names, still, theirs in motions.ABSOLUTE)

    def grip(self, dims: list[int], ours: str, theirs: str) -> None:
        """Another convention for the grippers at `dims`. Raises DataError where nothing converts it."""
        self.steps.append(_gripper_step(dims, ours, theirs))

    def finished(self, names: tuple[str, ...] | None, units: tuple[str, ...] | None, field: str) -> Way:
        """With the client's order and units. Raises DataError unless its dimensions are these."""
        names = names or self.names
        if set(names) != set(self.names) or len(names) != len(self.names):
            raise DataError(
                f"{field}.names: the client's {', '.join(names)} cannot be made of {', '.join(self.names)}", "names"
            )
        changed = bool(self.steps)
        own = self.units
        if names != self.names:
            places = [self.names.index(name) for name in names]
            own = own and tuple(own[place] for place in places)
            self.steps.append(_order(places, self.names, names))
        units = units or own
        if own is not None and units is not None and (changed or units != own):
            for name, one, other in zip(names, own, units, strict=True):
                if in_si(one)[0] != in_si(other)[0]:
                    raise DataError(f"{field}.units: {name!r} is in {one} and in {other}, two quantities", "units")
            kind = "units" if units != own else ""
            before, after = _scale(self._first_units or (), 1, kind), _scale(units, -1, kind)
            self.steps = [*before, *self.steps, *after]
        return Way(tuple(self.steps), names, units)


def _scale(units: tuple[str, ...], power: int, kind: str) -> list[Step]:
    """Into SI units (power 1) or out of them (-1), where they are not SI already; kind: "" where the client's units are
    the checkpoint's.
    """
    factors = np.array([in_si(unit)[1] for unit in units]) ** power
    shown = ", ".join(dict.fromkeys(units))
    source, target = (shown, "SI") if power > 0 else ("SI", shown)
    step = Step(kind, "units", source, target, lambda values, _: values * factors, lambda values, _: values / factors)
    return [] if (factors == 1).all() else [step]


def _order(places: list[int], names: tuple[str, ...], target: tuple[str, ...]) -> Step:
    back = list(np.argsort(places))
    source, target_text = ", ".join(names), ", ".join(target)
    return Step(
        "order", "order", source, target_text, lambda values, _: values[:, places], lambda values, _: values[:, back]
    )


def _gripper_step(dims: list[int], source: str, target: str) -> Step:
    try:
        conversions.gripper(np.zeros(1), source, target)  # type: ignore[arg-type]
    except ConfigError as error:
        raise DataError(f"gripper: {source!r} to {target!r}: {error}", "gripper") from None
    if not dims:
        raise DataError(f"gripper: {source!r} to {target!r}: no dimension is named gripper; name one so", "gripper")

    def convert(values: Numbers, one: str, other: str) -> Numbers:
        result = values.copy()
        result[:, dims] = conversions.gripper(values[:, dims], one, other)  # type: ignore[arg-type]
        return result

    return Step(
        "gripper",
        "gripper",
        source,
        target,
        lambda values, _: convert(values, source, target),
        lambda values, _: convert(values, target, source),
    )


def grippers(names: tuple[str, ...]) -> list[int]:
    """`gripper`, `left gripper`, and LeRobot's `gripper.pos`, `left_gripper.pos`."""
    return [i for i, name in enumerate(names) if re.split("[ _]", name.removesuffix(".pos"))[-1] == "gripper"]
