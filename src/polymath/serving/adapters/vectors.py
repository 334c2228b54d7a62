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

from polymath.errors import DataError
from polymath.policy.contract import Action, State
from polymath.serving.adapters import rotations
from polymath.serving.adapters.steps import Steps, Way, grippers

OPENING = {"gripper": "0 closed 1 open", "closed": "0 open 1 closed"}  # of states, by the dimension's name


def state_way(ours: State, names: tuple[str, ...] | None, units: tuple[str, ...] | None) -> Way:
    """From the checkpoint's state to a client's with these names and units; None: the checkpoint's own.

    Raises DataError for dimensions that the client does not have, and for units of another quantity.
    """
    way = Steps(ours.names, ours.units)
    target = _rotation_of(names or (), ours.names)
    if target:
        way.rotate(target)
    for old, new in (("gripper", "closed"), ("closed", "gripper")):
        dims = [i for i, name in enumerate(way.names) if _last(name) == old and _with_last(name, new) in (names or ())]
        if dims and not any(way.names[i] in (names or ()) for i in dims):
            way.grip(dims, OPENING[old], OPENING[new])
            way.names = tuple(_with_last(name, new) if i in dims else name for i, name in enumerate(way.names))
    return way.finished(names, units, "state")


def action_way(ours: Action, theirs: Action, state: State) -> Way:
    """From the checkpoint's actions to a client's, whose fields of None are the checkpoint's own; `state` is that of
    the checkpoint.

    Raises DataError as `state_way`, and for conventions between which there is no conversion.
    """
    way = Steps(ours.names, ours.units)
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
        way.grip(grippers(way.names), str(ours.gripper), str(theirs.gripper))
    return way.finished(theirs.names or None, theirs.units, "action")


def _rotation_of(theirs: tuple[str, ...], ours: tuple[str, ...]) -> str | None:
    """How the client writes rotations, if it writes them in another way."""
    kinds = [{group.kind for group in rotations.groups(names)} for names in (theirs, ours)]
    return next(iter(kinds[0])) if len(kinds[0]) == 1 and kinds[1] and kinds[0] != kinds[1] else None


def _last(name: str) -> str:
    return name.split(" ")[-1]


def _with_last(name: str, last: str) -> str:
    return " ".join([*name.split(" ")[:-1], last])
