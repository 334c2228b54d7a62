"""The protocol between the evaluator and a simulator worker, a program of its own.

Frames on the worker's stdin and stdout: 4 bytes, big-endian, the length; then one message of `polymath_worker.wire`.

    evaluator                                worker
        ◄──────────── Hello ──────────────     once, before anything is asked
        ── Reset(slot, task, split, seed) ─►
        ◄──────────── State ──────────────     the first observation
        ── Act(slot, actions [K, A]) ──────►   K control steps, or fewer if the episode ends
        ◄──────────── State ──────────────     … until State.done
        ── Close ──────────────────────────►   the worker exits; so it does when its stdin ends

A worker holds several simulators, its slots; it answers requests in the order they came, so requests to several slots
may be under way at once. A request that fails is answered by Failure with the traceback.
"""

import dataclasses
import struct
import typing
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Dict, List, Optional, Type, TypeVar, Union

import numpy as np

from polymath_worker import wire

VERSION = 1
_LENGTH = struct.Struct(">I")
_DTYPES = {"f": "floating-point", "u": "uint8"}
# Metadata of a field that holds an array, or a dictionary of arrays: the kind of its dtype and the number of its axes.
_PICTURE, _PICTURES = {"kind": "u", "axes": 3}, {"kind": "u", "axes": 4}
_VECTOR, _VECTORS = {"kind": "f", "axes": 1}, {"kind": "f", "axes": 2}


class ProtocolError(Exception):
    """A frame is cut short or is no message of this protocol."""


@dataclass(frozen=True)
class Observation:
    """What a policy sees at one control step.

    images: camera name -> uint8 [height, width, 3], RGB; state: float32 [state_dim] in the embodiment's units.
    """

    images: Dict[str, np.ndarray] = field(metadata=_PICTURE)
    state: np.ndarray = field(metadata=_VECTOR)
    instruction: str
    embodiment: str


@dataclass(frozen=True)
class Hello:
    """What a worker is: its benchmark, its `renderer` (part of a result's identity), cameras, image size, slots."""

    version: int
    benchmark: str
    renderer: str
    image_size: int
    cameras: List[str]
    tasks: List[str]
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
    """Execute the actions, float [K, A], in the embodiment's own units, one per control step."""

    slot: int
    actions: np.ndarray = field(metadata=_VECTORS)


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
    frames: np.ndarray = field(metadata=_PICTURES)


@dataclass(frozen=True)
class Failure:
    """The request to `slot` raised; `text` is the traceback."""

    slot: int
    text: str


Request = Union[Reset, Act, Close]
Reply = Union[Hello, State, Failure]
Built = TypeVar("Built")
_KINDS: Dict[str, Type[Any]] = {cls.__name__.lower(): cls for cls in (Hello, Reset, Act, Close, State, Failure)}


def write_message(stream: BinaryIO, message: Union[Request, Reply]) -> None:
    """Write one frame and flush it."""
    fields = dict(vars(message))
    if isinstance(message, State):
        fields["observation"] = dict(vars(message.observation))
    data = wire.encode({"type": type(message).__name__.lower(), **fields})
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def read_message(stream: BinaryIO) -> Optional[Union[Request, Reply]]:
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
    try:
        return _parse(wire.decode(data))
    except wire.WireError as error:
        raise ProtocolError(str(error)) from error


def _parse(message: Dict[str, Any]) -> Any:
    kind = message.pop("type", None)
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ProtocolError(f"message.type: {kind!r} is none of {', '.join(_KINDS)}")
    if isinstance(message.get("observation"), dict):
        message["observation"] = _build(Observation, message["observation"], f"{kind}.observation")
    return _build(_KINDS[kind], message, kind)


def _build(cls: Type[Built], values: Dict[str, Any], where: str) -> Built:
    hints = typing.get_type_hints(cls)
    for each in dataclasses.fields(cls):  # type: ignore[arg-type]
        if each.name not in values:
            raise ProtocolError(f"{where}.{each.name}: missing")
        _check(values[each.name], hints[each.name], each.metadata, f"{where}.{each.name}")
    unknown = set(values) - set(hints)
    if unknown:
        raise ProtocolError(f"{where}.{min(unknown)}: no such field")
    return cls(**values)


def _check(value: Any, hint: Any, array: typing.Mapping[str, Any], where: str) -> None:
    """Raise ProtocolError unless `value` is what the field's annotation and metadata say."""
    container, elements = typing.get_origin(hint), typing.get_args(hint)
    if hint is np.ndarray:
        _check_array(value, array["kind"], array["axes"], where)
    elif not isinstance(value, container or hint) or (hint in (int, float) and isinstance(value, bool)):
        raise ProtocolError(f"{where}: expected {getattr(hint, '__name__', hint)}, got {value!r}")
    elif container is list:
        for i, element in enumerate(value):
            _check(element, elements[0], array, f"{where}[{i}]")
    elif container is dict:
        for key, element in value.items():
            _check(element, elements[1], array, f"{where}[{key!r}]")


def _check_array(value: Any, kind: str, axes: int, where: str) -> None:
    if isinstance(value, np.ndarray) and value.dtype.kind == kind and value.ndim == axes:
        return
    got = f"{value.dtype} {list(value.shape)}" if isinstance(value, np.ndarray) else repr(value)
    raise ProtocolError(f"{where}: expected a {_DTYPES[kind]} array of {axes} axes, got {got}")
