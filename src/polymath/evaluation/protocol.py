"""The language between the evaluator and a simulator worker, a program of its own.

Frames on the worker's stdin and stdout: 4 bytes, big-endian, the length; then one `polymath.wire` message.

    evaluator                                worker
        ◄──────────── Hello ──────────────     once, before anything is asked
        ── Reset(slot, task, split, seed) ─►
        ◄──────────── State ──────────────     the first observation
        ── Act(slot, actions [K, A]) ──────►   K control steps, or fewer if the episode ends
        ◄──────────── State ──────────────     … until State.done
        ── Close ──────────────────────────►   the worker exits; so it does when its stdin ends

A worker holds several simulators, its slots; it answers requests in the order they came, so requests to several slots
may be under way at once. A request that fails is answered by Failure with the traceback.
This file needs only numpy and msgpack: a worker may run in another interpreter than the evaluator.
"""

import dataclasses
import struct
import typing
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar

import numpy as np
from jaxtyping import Float, UInt8

from polymath import wire
from polymath.errors import PolymathError
from polymath.types import Observation

VERSION = 1
_LENGTH = struct.Struct(">I")


class ProtocolError(PolymathError):
    """A frame is cut short or is no message of this protocol."""


@dataclass(frozen=True)
class Hello:
    """What a worker is: its benchmark, its `renderer` (part of a result's identity), cameras, image size, slots."""

    version: int
    benchmark: str
    renderer: str
    image_size: int
    cameras: list[str]
    tasks: list[str]
    max_steps: int
    control_hz: float
    slots: int


@dataclass(frozen=True)
class Reset:
    """Begin the episode (task, split, seed) in `slot`; with `record` every control step's picture is sent along."""

    slot: int
    task: str
    split: str
    seed: int
    record: bool = False


@dataclass(frozen=True)
class Act:
    """Execute the K actions of `actions`, in the embodiment's own units, one per control step."""

    slot: int
    actions: Float[np.ndarray, "K A"]


@dataclass(frozen=True)
class Close:
    """Exit."""


@dataclass(frozen=True)
class State:
    """The episode in `slot` after a request: `steps` control steps so far, `done` on success or at the limit.

    `frames` holds the first camera after each executed control step (and at reset) where the reset asked for it,
    uint8 [K, height, width, 3]; otherwise K = 0.
    """

    slot: int
    observation: Observation
    steps: int
    success: bool
    done: bool
    frames: UInt8[np.ndarray, "K height width 3"]


@dataclass(frozen=True)
class Failure:
    """The request to `slot` raised; `text` is the traceback."""

    slot: int
    text: str


Request = Reset | Act | Close
Reply = Hello | State | Failure
Built = TypeVar("Built")
_KINDS: dict[str, type[Request | Reply]] = {
    cls.__name__.lower(): cls for cls in (Hello, Reset, Act, Close, State, Failure)
}


def write_message(stream: BinaryIO, message: Request | Reply) -> None:
    """Write one frame and flush it."""
    fields = {f.name: getattr(message, f.name) for f in dataclasses.fields(message)}
    if isinstance(message, State):
        fields["observation"] = dataclasses.asdict(message.observation)
    data = wire.encode({"type": type(message).__name__.lower()} | fields)
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def read_message(stream: BinaryIO) -> Request | Reply | None:
    """Read one frame; None where the stream ends between two. Raises ProtocolError if it is cut short or malformed."""
    head = stream.read(_LENGTH.size)
    if not head:
        return None
    if len(head) < _LENGTH.size:
        raise ProtocolError(f"frame: the stream ended after {len(head)} bytes of the length")
    (length,) = _LENGTH.unpack(head)
    data = stream.read(length)
    if len(data) < length:
        raise ProtocolError(
            f"frame: the stream ended after {len(data)} of {length} bytes; was something printed on it?"
        )
    return _parse(wire.decode(data))


def _parse(message: dict[str, Any]) -> Request | Reply:
    kind = message.pop("type", None)
    if kind not in _KINDS:
        raise ProtocolError(f"message.type: {kind!r} is none of {', '.join(_KINDS)}")
    if isinstance(message.get("observation"), dict):
        message["observation"] = _build(Observation, message["observation"], f"{kind}.observation")
    return _build(_KINDS[kind], message, kind)


def _build(cls: type[Built], values: dict[str, Any], where: str) -> Built:
    hints = typing.get_type_hints(cls)
    for name, hint in hints.items():
        if name not in values:
            raise ProtocolError(f"{where}.{name}: missing")
        _check(values[name], hint, f"{where}.{name}")
    unknown = set(values) - set(hints)
    if unknown:
        raise ProtocolError(f"{where}.{min(unknown)}: no such field")
    return cls(**values)


def _check(value: Any, hint: Any, where: str) -> None:
    """Insist on the annotation: containers element by element, arrays by jaxtyping (dtype and number of axes)."""
    container, elements = typing.get_origin(hint), typing.get_args(hint)
    if not isinstance(value, container or hint) or (hint is int and isinstance(value, bool)):
        got = f"{value.dtype} {list(value.shape)}" if isinstance(value, np.ndarray) else repr(value)
        raise ProtocolError(f"{where}: expected {getattr(hint, '__name__', hint)}, got {got}")
    if container is list:
        for i, element in enumerate(value):
            _check(element, elements[0], f"{where}[{i}]")
    if container is dict:
        for key, element in value.items():
            _check(element, elements[1], f"{where}[{key!r}]")
