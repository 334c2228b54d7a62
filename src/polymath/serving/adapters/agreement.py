"""Whether an adapter's client and a checkpoint mean the same, and what has to be converted where they do not."""

from collections.abc import Sequence
from typing import Any, get_args

from polymath.errors import DataError
from polymath.policy.contract import Action, Contract, Difference, disagreement
from polymath.serving.adapters.adapter import CAMERA, Adapter, CameraKey, Conversion
from polymath.serving.adapters.vectors import Way, action_way, state_way

# Conversions that make two values of a field agree; a field that is not here is never converted.
CONVERTED: dict[str, set[str]] = {
    "image.fit": {"fit"},
    "state.names": {"order", "rotation", "gripper"},
    "state.units": {"units", "order", "rotation"},
    "action.names": {"order", "rotation", "motion"},
    "action.units": {"units", "order", "rotation"},
    "action.motion": {"motion"},
    "action.rotation": {"rotation"},
    "action.gripper": {"gripper"},
}


def ways(adapter: Adapter, contract: Contract) -> tuple[Way, Way]:
    """The conversions of states and of actions.

    Raises DataError, both sides printed field by field, for differences that the adapter's `convert` does not name, and
    for those that nothing converts.
    """
    who = f"adapter {adapter.name!r}"
    stated = claims(adapter)
    differences = contract.differences(stated)
    fixed = [each for each in differences if each.field not in CONVERTED or each.promised == "does not say"]
    if fixed:
        raise disagreement(who, fixed, _remedy([]))
    names, units = stated["state"]["names"], stated["state"]["units"]
    action = Action(**{**stated["action"], "names": adapter.action.names or ()})
    try:
        state_steps, action_steps = (
            state_way(contract.state, names, units),
            action_way(contract.action, action, contract.state),
        )
    except DataError as error:
        raise disagreement(who, differences or [Difference(error.kind, "", "")], f"{error}; {_remedy([])}") from None
    needed = {step.kind for way in (state_steps, action_steps) for step in way.steps if step.kind}
    needed |= {"fit"} if any(each.field == "image.fit" for each in differences) else set()
    forbidden = needed - set(adapter.convert)
    if forbidden:
        refused = [each for each in differences if CONVERTED[each.field] & forbidden]
        raise disagreement(who, refused, _remedy(sorted(forbidden)))
    return state_steps, action_steps


def claims(adapter: Adapter) -> dict[str, Any]:
    """What an adapter says of its client, in the structure of a contract; None where it says nothing."""
    parts, executed = adapter.state, adapter.action
    names = [part.names for part in parts]
    units = [part.units for part in parts]
    return {
        "rate": adapter.rate,
        "image": {"fit": adapter.images.fit},
        "state": {"names": _joined(names), "units": _joined(units), "space": adapter.state_space},
        "action": {
            "names": executed.names,
            "units": executed.units,
            "motion": executed.motion,
            "rotation": executed.rotation,
            "frame": executed.frame,
            "gripper": executed.gripper,
            "space": executed.space,
        },
    }


def camera_keys(adapter: Adapter, contract: Contract) -> dict[str, tuple[str, ...]]:
    """The keys of each of the checkpoint's cameras, in its order.

    Raises DataError, both sides printed, for a camera that the adapter does not have or has in another role.
    """
    roles = contract.cameras.roles or (None,) * len(contract.cameras.names)
    matches: dict[str, CameraKey] = {}
    for name, role in zip(contract.cameras.names, roles, strict=True):
        entry = _by_name(adapter, name) or _by_role(adapter, contract, role)
        if entry is None or (entry in matches.values() and CAMERA not in entry.keys[0]):
            raise _camera_error(adapter, contract, f"the adapter has nothing for {name!r}")
        if role is not None and entry.role not in (None, role):
            raise _camera_error(adapter, contract, f"{name!r} is {role!r} there, but {entry.role!r} here")
        matches[name] = entry
    return {name: tuple(key.replace(CAMERA, name) for key in entry.keys) for name, entry in matches.items()}


def _by_name(adapter: Adapter, name: str) -> CameraKey | None:
    named = [entry for entry in adapter.cameras if name in entry.names]
    every = [entry for entry in adapter.cameras if not entry.names and CAMERA in entry.keys[0]]
    return next(iter(named or every), None)


def _by_role(adapter: Adapter, contract: Contract, role: str | None) -> CameraKey | None:
    """The adapter's only camera of a role that only one of the checkpoint's has."""
    entries = [entry for entry in adapter.cameras if role is not None and entry.role == role]
    alone = len(entries) == 1 and [*(contract.cameras.roles or ())].count(role) == 1  # type: ignore[arg-type]
    return entries[0] if alone else None


def _camera_error(adapter: Adapter, contract: Contract, reason: str) -> DataError:
    here = [
        f"{entry.keys[0]} ({' or '.join(entry.names) or 'any name'}, {entry.role or 'any role'})"
        for entry in adapter.cameras
    ]
    roles = contract.cameras.roles or ("role unknown",) * len(contract.cameras.names)
    there = [f"{name} ({role})" for name, role in zip(contract.cameras.names, roles, strict=True)]
    difference = Difference("cameras", ", ".join(here), ", ".join(there))
    return disagreement(f"adapter {adapter.name!r}", [difference], f"{reason}; {_remedy([])}")


def _joined(parts: Sequence[tuple[str, ...] | None]) -> tuple[str, ...] | None:
    return None if any(part is None for part in parts) else tuple(entry for part in parts for entry in part or ())


def _remedy(conversions: list[str]) -> str:
    allowed = [name for name in conversions if name in get_args(Conversion)]
    convert = f" with convert = {allowed} where the difference is meant" if allowed else ""
    return f"choose another adapter, or describe the client in a file of its own{convert} (docs/adapters.md)"
