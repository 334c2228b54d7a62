"""The identity of a result: all that was evaluated, on what and how, in one hash.

    hash        of everything; two results with one hash are the same experiment on the same weights
    protocol    of everything but the policy's own part; results compare where it is the same

The policy's own part is its name, its checkpoint and weights, how it decodes and how many actions of a chunk are
executed before it is asked again.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from polymath import config
from polymath.errors import ConfigError
from polymath.types import Embodiment

LATER_FIELDS = ("protocol", "simulator", "robot")  # empty in results of older versions
POLICY_FIELDS = ("policy", "checkpoint", "weights", "decode", "execute")
_HASH_BYTES = 6


@dataclass(frozen=True)
class Identity:
    """All that makes two episodes of one key comparable: what is run, on what pictures, by which policy.

    checkpoint   which weights the policy has, for a reader: run directory's name, phase and step; empty if it has none
    weights      a hash of their content, and of the statistics that go with them
    options      further settings of the benchmark
    protocol     name and version of the benchmark's rules
    simulator    what the workers say of themselves: versions, assets, stand-ins
    robot        what its action vector means, the action convention
    decode       how the policy turns the model's output into actions
    """

    benchmark: str
    policy: str
    checkpoint: str
    renderer: str
    image_size: int
    cameras: tuple[str, ...]
    execute: int
    max_steps: int
    options: dict[str, str] = field(default_factory=dict)
    protocol: str = ""
    simulator: dict[str, str] = field(default_factory=dict)
    robot: str = ""
    decode: str = ""
    weights: str = ""

    @classmethod
    def upgrade(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """The fields of `as_json`; the hashes beside them follow from the fields. Called by `config.from_dict`."""
        return {name: value for name, value in values.items() if name not in ("hash", "protocol_hash")}

    def as_json(self) -> dict[str, Any]:
        """The fields, and the two hashes, as plain JSON values."""
        return config.to_dict(self) | {"hash": self.hash, "protocol_hash": self.protocol_hash}

    @property
    def hash(self) -> str:
        """12 hexadecimal digits. The policy's name and the checkpoint's count only where the weights are not known."""
        unread = ("policy", "checkpoint") if self.weights else ()
        return self._digest([each.name for each in fields(self) if each.name not in unread])

    @property
    def protocol_hash(self) -> str:
        """12 hexadecimal digits of what two policies must share to be compared."""
        return self._digest([each.name for each in fields(self) if each.name not in POLICY_FIELDS])

    def _digest(self, names: Collection[str]) -> str:
        values = config.to_dict(self)
        text = json.dumps({name: values[name] for name in sorted(names)}, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=_HASH_BYTES).hexdigest()


def differences(a: Identity, b: Identity) -> list[str]:
    """The names of the fields, but the policy's own, in which the two disagree.

    A result of an older version, which has no protocol, simulator and robot, is taken to agree in them.
    """
    pairs = {each.name: (getattr(a, each.name), getattr(b, each.name)) for each in fields(Identity)}
    return [
        name
        for name, (ours, theirs) in pairs.items()
        if name not in POLICY_FIELDS and ours != theirs and (name not in LATER_FIELDS or (ours and theirs))
    ]


def check_comparable(a: Identity, b: Identity, names: tuple[str, str], allowed: Collection[str] = ()) -> None:
    """Raise ConfigError naming the first field in which the results `names` differ, with both sides.

    Fields in `allowed` may differ.
    """
    unknown = sorted(set(allowed) - {each.name for each in fields(Identity)})
    if unknown:
        raise ConfigError(f"compare: --allow {unknown[0]}: no such field of an identity")
    for name in differences(a, b):
        if name not in allowed:
            raise ConfigError(
                f"compare: {name} is {getattr(a, name)!r} in {names[0]} and {getattr(b, name)!r} in {names[1]}; "
                f"evaluate both alike, or accept the difference with --allow {name}"
            )


def describe_robot(robot: Embodiment) -> str:
    """What the numbers of an action mean: names, units, motion, rotation, frame, gripper."""
    meaning = robot.conventions
    if meaning is None:
        return f"{robot.name}: {', '.join(robot.action_names)}; {robot.action_space}"
    parts = [f"{name} [{unit}]" for name, unit in zip(robot.action_names, meaning.action_units, strict=True)]
    return (
        f"{robot.name}: {', '.join(parts)}; {meaning.motion}, {meaning.rotation}, {meaning.frame} frame, "
        f"gripper {meaning.gripper}"
    )
