"""Whether an adapter's client and a checkpoint mean the same, and what has to be converted where they do not."""

from collections.abc import Sequence
from typing import Any, NamedTuple, get_args

from polymath.errors import DataError
from polymath.policy.contract import Action, Contract
from polymath.policy.differences import UNSAID, Difference, disagreement
from polymath.serving.adapters.adapter import CAMERA, Adapter, CameraKey, Conversion
from polymath.serving.adapters.steps import Way
from polymath.serving.adapters.vectors import action_way, state_way

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


class Agreement(NamedTuple):
    """The keys of the checkpoint's cameras, the conversions, and the fields that the checkpoint leaves open."""

    cameras: dict[str, tuple[str, ...]]
    state: Way
    action: Way
    unverified: tuple[str, ...]


def agreement(adapter: Adapter, contract: Contract) -> Agreement:
    """What passes between an adapter's client and a checkpoint, and how.

    Raises DataError, both sides printed field by field, for differences that the adapter's `convert` does not name, and
    for those that nothing converts.
    """
    who = f"adapter {adapter.name!r}"
    cameras, problems = camera_keys(adapter, contract)
    stated = claims(adapter)
    unverified: tuple[str, ...] = ()
    if adapter.unsaid == "pass":
        unverified = tuple(each.field for each in contract.differences(stated) if each.promised == UNSAID)
        stated = _without(stated, unverified)
    differences = contract.differences(stated)
    fixed = problems + [each for each in differences if each.field not in CONVERTED or each.promised == UNSAID]
    if fixed:
        others = [each for each in differences if not CONVERTED.get(each.field, set()) & set(adapter.convert)]
        raise disagreement(who, problems + others, _remedy([]))
    names, units = stated["state"]["names"], stated["state"]["units"]
    action = Action(**{**stated["action"], "names": adapter.action.names or (), "space": ""})
    try:
        state_steps, action_steps = (
            state_way(contract.state, names, units),
            action_way(contract.action, action, contract.state),
        )
    except DataError as error:
        raise (disagreement(who, differences, f"{error}; {_remedy([])}") if differences else error) from None
    needed = {step.kind for way in (state_steps, action_steps) for step in way.steps if step.kind}
    needed |= {"fit"} if any(each.field == "image.fit" for each in differences) else set()
    forbidden = needed - set(adapter.convert)
    if forbidden:
        refused = [each for each in differences if CONVERTED[each.field] & forbidden]
        raise disagreement(who, refused, _remedy(sorted(forbidden)))
    return Agreement(cameras, state_steps, action_steps, unverified)


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


def camera_keys(adapter: Adapter, contract: Contract) -> tuple[dict[str, tuple[str, ...]], list[Difference]]:
    """The keys of each of the checkpoint's cameras, in its order; or a difference where the adapter does not have one
    of them, or has it in another role.
    """
    roles = contract.cameras.roles or (None,) * len(contract.cameras.names)
    matches: dict[str, CameraKey] = {}
    problem = ""
    for name, role in zip(contract.cameras.names, roles, strict=True):
        entry = _by_name(adapter, name) or _by_role(adapter, contract, role)
        if entry is None or (entry in matches.values() and CAMERA not in entry.keys[0]):
            problem = problem or f"nothing for {name!r}"
        elif role is not None and entry.role not in (None, role):
            problem = problem or f"{name!r} as {entry.role!r}"
        else:
            matches[name] = entry
    keys = {name: tuple(key.replace(CAMERA, name) for key in entry.keys) for name, entry in matches.items()}
    return keys, [_camera_difference(adapter, contract, problem)] if problem else []


def _by_name(adapter: Adapter, name: str) -> CameraKey | None:
    named = [entry for entry in adapter.cameras if name in entry.names]
    every = [entry for entry in adapter.cameras if not entry.names and CAMERA in entry.keys[0]]
    return next(iter(named or every), None)


def _by_role(adapter: Adapter, contract: Contract, role: str | None) -> CameraKey | None:
    """The adapter's only camera of a role that only one of the checkpoint's has."""
    entries = [entry for entry in adapter.cameras if role is not None and entry.role == role]
    alone = len(entries) == 1 and [*(contract.cameras.roles or ())].count(role) == 1  # type: ignore[arg-type]
    return entries[0] if alone else None


def _camera_difference(adapter: Adapter, contract: Contract, problem: str) -> Difference:
    here = [
        f"{entry.keys[0]} for {' or '.join(entry.names) or 'any name'} ({entry.role or 'any role'})"
        for entry in adapter.cameras
    ]
    roles = contract.cameras.roles or ("role unknown",) * len(contract.cameras.names)
    there = [f"{name} ({role})" for name, role in zip(contract.cameras.names, roles, strict=True)]
    return Difference("cameras", f"has {problem}: {', '.join(here)}", ", ".join(there))


def _without(claims: dict[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    """The claims with nothing said in these fields, such as `action.units`."""
    return {
        name: None
        if name in fields
        else {key: None if f"{name}.{key}" in fields else each for key, each in value.items()}
        if isinstance(value, dict)
        else value
        for name, value in claims.items()
    }


def _joined(parts: Sequence[tuple[str, ...] | None]) -> tuple[str, ...] | None:
    return None if any(part is None for part in parts) else tuple(entry for part in parts for entry in part or ())


def _remedy(conversions: list[str]) -> str:
    allowed = [name for name in conversions if name in get_args(Conversion)]
    convert = f" with convert = {allowed} where the difference is meant" if allowed else ""
    return f"choose another adapter, or describe the client in a file of its own{convert} (docs/adapters.md)"
