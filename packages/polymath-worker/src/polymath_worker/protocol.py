"""The protocol between the evaluator and a simulator worker, a program of its own.

Frames on the worker's stdin and stdout: 4 bytes, big-endian, the length; then one message of `polymath_worker.wire`.

    evaluator                                worker
        ◄──────────── Hello ──────────────     once, before any request
        ── Reset(slot, task, split, seed) ─►
        ◄──────────── State ──────────────     the first observation
        ── Act(slot, actions [K, A]) ──────►   K control steps, or fewer if the episode or its part ends
        ◄──────────── State ──────────────     … until State.done
        ── Demonstrate(slot, task, …) ─────►
        ◄──────── Demonstration ──────────     a whole episode of the simulator's expert
        ── Close ──────────────────────────►   the worker exits; so it does when its stdin ends

A worker holds several simulators, its slots; it answers requests in the order they came, so requests to several slots
may be under way at once. A request that fails is answered by Failure with the traceback.

Both sides must speak one VERSION: the evaluator reads it from Hello, the worker from the environment variable
POLYMATH_PROTOCOL that the evaluator sets.
"""

import dataclasses
import struct
import typing
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Dict, List, Optional, Type, TypeVar, Union

import numpy as np

from polymath_worker import wire

VERSION = 2
VERSION_VARIABLE = "POLYMATH_PROTOCOL"
"""Environment variable in which the evaluator tells a worker the version that it speaks."""

_LENGTH = struct.Struct(">I")
_DTYPES = {"f": "floating-point", "u": "uint8"}
# Metadata of a field that holds an array, or a dictionary of arrays: the kind of its dtype and the number of its axes.
_PICTURE, _PICTURES = {"kind": "u", "axes": 3}, {"kind": "u", "axes": 4}
_VECTOR, _VECTORS = {"kind": "f", "axes": 1}, {"kind": "f", "axes": 2}
_ANY: Dict[str, Any] = {"kind": None, "axes": None}


class ProtocolError(Exception):
    """A frame is cut short or is no message of this protocol."""


class VersionError(ProtocolError):
    """The worker's Hello is of another version of the protocol; `benchmark` is the name in it, or empty."""

    def __init__(self, version: Any, benchmark: str) -> None:
        super().__init__(f"hello.version: {version!r}, expected {VERSION}")
        self.version, self.benchmark = version, benchmark


def no_initial_state() -> np.ndarray:
    """float64 [0]: the episode starts where (task, split, seed) puts it."""
    return np.zeros(0)


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
    """What a worker is: its benchmark, its `renderer` (part of a result's identity), cameras, image size, slots.

    `identity` is all else that two comparable results must share and that only the worker knows: versions of the
    simulator and its assets, the action convention, parts of the official benchmark that were replaced.
    """

    version: int
    benchmark: str
    renderer: str
    image_size: int
    cameras: List[str]
    tasks: List[str]
    max_steps: int
    control_hz: float
    slots: int
    identity: Dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reset:
    """Begin the episode (task, split, seed) in `slot`; with `record` every control step's picture is sent along.

    `initial`, float64 [n], is a demonstration's own start state, which replaces the one that the seed names; n = 0 for
    none. Simulators that take one have `reset_to`.
    """

    slot: int
    task: str
    split: str
    seed: int
    record: bool = False
    initial: np.ndarray = field(default_factory=no_initial_state, metadata=_VECTOR)


@dataclass(frozen=True)
class Act:
    """Execute the actions, float [K, A], in the embodiment's own units, one per control step."""

    slot: int
    actions: np.ndarray = field(metadata=_VECTORS)


@dataclass(frozen=True)
class Demonstrate:
    """Let the simulator's expert play the episode (task, split, seed).

    `noise` is the standard deviation of what disturbs the executed, not the recorded, actions.
    """

    slot: int
    task: str
    split: str
    seed: int
    noise: float = 0.0


@dataclass(frozen=True)
class Close:
    """Exit."""


@dataclass(frozen=True)
class State:
    """The episode in `slot` after a request: `steps` control steps so far, `done` on success or at the limit.

    `executed` actions of the request were carried out. `score` is the episode's so far, `part` the index of the subtask
    under way (0 where there are none), `measures` are named numbers beside the success.
    `frames` holds the first camera after each executed control step (and at reset) where the reset asked for it,
    uint8 [K, height, width, 3]; otherwise K = 0.
    """

    slot: int
    observation: Observation
    steps: int
    success: bool
    done: bool
    frames: np.ndarray = field(metadata=_PICTURES)
    score: float = 0.0
    part: int = 0
    executed: int = 0
    measures: Dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Demonstration:
    """An episode of T control steps that the simulator's expert played; `actions[t]` answers `states[t]`.

    images: camera -> uint8 [T, height, width, 3]; states: float32 [T, state_dim]; actions: float32 [T, A];
    extras: name -> array of any shape, for the benchmark's own data-set layout; initial: float64 [n], the state to
    which `reset_to` goes back (n = 0: the seed names it). `slot` is filled in by `serve`.
    """

    success: bool
    instruction: str
    images: Dict[str, np.ndarray] = field(metadata=_PICTURES)
    states: np.ndarray = field(metadata=_VECTORS)
    actions: np.ndarray = field(metadata=_VECTORS)
    extras: Dict[str, np.ndarray] = field(default_factory=dict, metadata=_ANY)
    initial: np.ndarray = field(default_factory=no_initial_state, metadata=_VECTOR)
    slot: int = 0


@dataclass(frozen=True)
class Failure:
    """The request to `slot` raised; `text` is the traceback."""

    slot: int
    text: str


Request = Union[Reset, Act, Demonstrate, Close]
Reply = Union[Hello, State, Demonstration, Failure]
Built = TypeVar("Built")
_KINDS: Dict[str, Type[Any]] = {
    cls.__name__.lower(): cls for cls in (Hello, Reset, Act, Demonstrate, Close, State, Demonstration, Failure)
}


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
    if kind == "hello" and message.get("version") != VERSION:
        raise VersionError(message.get("version"), str(message.get("benchmark", "")))
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
    elif hint is float and type(value) is int:
        return  # a whole number is a number
    elif not isinstance(value, container or hint) or (hint in (int, float) and isinstance(value, bool)):
        raise ProtocolError(f"{where}: expected {getattr(hint, '__name__', hint)}, got {value!r}")
    elif container is list:
        for i, element in enumerate(value):
            _check(element, elements[0], array, f"{where}[{i}]")
    elif container is dict:
        for key, element in value.items():
            _check(element, elements[1], array, f"{where}[{key!r}]")


def _check_array(value: Any, kind: Optional[str], axes: Optional[int], where: str) -> None:
    """`kind` and `axes` None: any numeric array."""
    if isinstance(value, np.ndarray) and kind in (None, value.dtype.kind) and axes in (None, value.ndim):
        return
    got = f"{value.dtype} {list(value.shape)}" if isinstance(value, np.ndarray) else repr(value)
    if kind is None:
        raise ProtocolError(f"{where}: expected an array, got {got}")
    raise ProtocolError(f"{where}: expected a {_DTYPES[kind]} array of {axes} axes, got {got}")
