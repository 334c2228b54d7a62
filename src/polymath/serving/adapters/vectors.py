"""From a checkpoint's states and actions to a client's and back: a list of named steps, each with its inverse.

checkpoint   0.02 m, 0.05 rad, pose delta, euler xyz, gripper -1 closed 1 open
  units      -> m, rad                  every step between works in SI units
  motion     -> pose                    from the state of the observation
  rotation   -> axis-angle
  gripper    -> 0 open 1 closed
  order      the client's own
  units      -> mm, deg
client       mm, deg, pose, axis-angle, gripper 0 open 1 closed
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from polymath.data.robots import conversions
from polymath.errors import ConfigError, DataError
from polymath.policy.contract import Action, State
from polymath.serving.adapters import motions, rotations
from polymath.serving.adapters.units import in_si

Numbers = Float[np.ndarray, "n D"]
Start = Float[np.ndarray, " state_dim"]
Motion = Callable[[Numbers, Start, list[motions.Track]], Numbers]
OPENING = {"gripper": "0 closed 1 open", "closed": "0 open 1 closed"}  # of states, by the dimension's name


class Step(NamedTuple):
    """kind: what an adapter's `convert` must name; `text` says in words what happens on the way to the client.

    Both directions take rows and the state of the observation, in SI units.
    """

    kind: str
    text: str
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


def state_way(ours: State, names: tuple[str, ...] | None, units: tuple[str, ...] | None) -> Way:
    """From the checkpoint's state to a client's with these names and units; None: the checkpoint's own.

    Raises DataError for dimensions that the client does not have, and for units of another quantity.
    """
    way = _Steps(ours.names, ours.units)
    target = _rotation_of(names or (), ours.names)
    if target:
        way.rotate(target)
    for old, new in (("gripper", "closed"), ("closed", "gripper")):
        dims = [i for i, name in enumerate(way.names) if _last(name) == old and _with_last(name, new) in (names or ())]
        if dims and not any(way.names[i] in (names or ()) for i in dims):
            way.steps.append(_gripper(dims, OPENING[old], OPENING[new]))
            way.names = tuple(_with_last(name, new) if i in dims else name for i, name in enumerate(way.names))
    return way.finished(names, units, "state")


def action_way(ours: Action, theirs: Action, state: State) -> Way:
    """From the checkpoint's actions to a client's, whose fields of None are the checkpoint's own; `state` is that of
    the checkpoint.

    Raises DataError as `state_way`, and for conventions between which there is no conversion.
    """
    way = _Steps(ours.names, ours.units)
    if theirs.motion not in (None, ours.motion):
        way.move(ours.motion, theirs.motion, state)
    if theirs.rotation not in (None, ours.rotation):
        if not rotations.groups(way.names) or theirs.rotation not in rotations.NAMES:
            known = ", ".join(" ".join(group) for group in rotations.NAMES.values())
            raise DataError(
                f"action.rotation: {ours.rotation!r} to {theirs.rotation!r}: none of the dimensions "
                f"{', '.join(way.names)} is a rotation that can be converted; those are {known}",
                "rotation",
            )
        way.rotate(theirs.rotation or "")
    if theirs.gripper not in (None, ours.gripper):
        way.steps.append(_gripper(_grippers(way.names), str(ours.gripper), str(theirs.gripper)))
    return way.finished(theirs.names or None, theirs.units, "action")


class _Steps:
    """Steps so far, and the names and units of the dimensions after them."""

    def __init__(self, names: tuple[str, ...], units: tuple[str, ...] | None) -> None:
        self.steps: list[Step] = []
        self.names, self.units, self._first_units = names, units, units

    def rotate(self, target: str) -> None:
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
                f"rotation {kind} -> {target}",
                lambda values, _: rotations.rewritten(values, source, target),
                lambda values, _: rotations.rewritten(values, after, kind),
            )
        )
        self.names = after

    def move(self, ours: str | None, theirs: str | None, state: State) -> None:
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
        still = set(_grippers(self.names))
        moving = motions.tracks(self.names, state.names, still)
        self.steps.append(
            Step(
                "motion",
                text,
                lambda values, start: to(values, start, moving),
                lambda values, start: back(values, start, moving),
            )
        )
        self.names = motions.renamed(self.names, still, theirs in motions.ABSOLUTE)

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
            self.steps.append(_order(places, names))
        units = units or own
        if own is not None and units is not None and (changed or units != own):
            for name, one, other in zip(names, own, units, strict=True):
                if in_si(one)[0] != in_si(other)[0]:
                    raise DataError(f"{field}.units: {name!r} is in {one} and in {other}, two quantities", "units")
            kind = "units" if units != own else ""
            self.steps.insert(0, _scale(self._first_units or (), 1, kind))
            self.steps.append(_scale(units, -1, kind))
        return Way(tuple(self.steps), names, units)


def _scale(units: tuple[str, ...], power: int, kind: str) -> Step:
    """Into SI units (power 1) or out of them (-1); kind: "" where the client's units are the checkpoint's."""
    factors = np.array([in_si(unit)[1] for unit in units]) ** power
    shown = ", ".join(dict.fromkeys(units))
    text = f"units {shown} -> SI" if power > 0 else f"units SI -> {shown}"
    return Step(kind, text, lambda values, _: values * factors, lambda values, _: values / factors)


def _order(places: list[int], names: tuple[str, ...]) -> Step:
    back = list(np.argsort(places))
    text = "order " + ", ".join(names)
    return Step("order", text, lambda values, _: values[:, places], lambda values, _: values[:, back])


def _gripper(dims: list[int], source: str, target: str) -> Step:
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
        f"gripper {source} -> {target}",
        lambda values, _: convert(values, source, target),
        lambda values, _: convert(values, target, source),
    )


def _rotation_of(theirs: tuple[str, ...], ours: tuple[str, ...]) -> str | None:
    """How the client writes rotations, if it writes them in another way."""
    kinds = [{group.kind for group in rotations.groups(names)} for names in (theirs, ours)]
    return next(iter(kinds[0])) if len(kinds[0]) == 1 and kinds[1] and kinds[0] != kinds[1] else None


def _grippers(names: tuple[str, ...]) -> list[int]:
    return [i for i, name in enumerate(names) if _last(name) == "gripper"]


def _last(name: str) -> str:
    return name.split(" ")[-1]


def _with_last(name: str, last: str) -> str:
    return " ".join([*name.split(" ")[:-1], last])
