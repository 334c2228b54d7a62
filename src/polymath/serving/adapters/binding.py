"""An adapter and a contract brought together: messages to observations, chunks to what the client executes."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from polymath.errors import DataError
from polymath.policy.contract import Contract, Pictures
from polymath.serving.adapters.adapter import CAMERA, RESERVED, Adapter, StatePart, adapter_named
from polymath.serving.adapters.agreement import agreement
from polymath.serving.adapters.steps import Way, si
from polymath.types import Observation

DEPTH = 8
log = logging.getLogger("polymath.serving")


@dataclass(frozen=True)
class Bound:
    """contract: in the client's terms, to be sent to it and to check its claims against.

    cameras: the keys of each of the checkpoint's; ignored: keys of the adapter for which the checkpoint has no use.
    conversions: in words, all that is changed on the way. unverified: fields that the adapter states and the checkpoint
    does not.
    """

    adapter: Adapter
    checkpoint: Contract
    contract: Contract
    cameras: Mapping[str, tuple[str, ...]]
    ignored: tuple[str, ...]
    state: Way
    action: Way
    unverified: tuple[str, ...]

    @property
    def conversions(self) -> tuple[str, ...]:
        return (
            *(f"image {step}" for step in self.adapter.images.conversions()),
            *(f"state {step.name} {step.target} -> {step.source}" for step in reversed(self.state.steps)),
            *(f"action {step.name} {step.source} -> {step.target}" for step in self.action.steps),
        )

    def announce(self, model: str) -> None:
        """Say in the server's log what is converted, and warn of what could not be verified."""
        names = {"model": model, "adapter": self.adapter.name}
        log.info("adapter", extra={**names, "conversions": list(self.conversions)})
        if self.unverified:
            log.warning("adapter not verified", extra={**names, "fields": list(self.unverified)})

    @property
    def expected(self) -> tuple[str, ...]:
        """The keys of a message, each with its alternatives."""
        state = (part.keys for part in self.adapter.state)
        return tuple(" or ".join(keys) for keys in (*self.cameras.values(), *state, self.adapter.prompt))

    def observation(self, message: Mapping[str, Any]) -> Observation:
        """Raises DataError, with the list that is expected, for an unknown or missing key, and naming the key for a
        picture or a number that does not fit. Keys beginning with "polymath/" are passed over.
        """
        values = _flat(message)
        self._check_keys(values)
        images = {
            camera: self.adapter.images.picture(*self._one(values, keys)) for camera, keys in self.cameras.items()
        }
        parts = [self._part(values, part) for part in self.adapter.state]
        state = self.state.to_checkpoint(np.concatenate(parts)[None], np.zeros(0))[0]
        state = _as_float32(state, "state", self.checkpoint.state.names)
        return Observation(images, state, self._prompt(values), self.checkpoint.robot)

    def actions(self, chunk: Float[np.ndarray, "W A"], observation: Observation) -> Float[np.ndarray, "W A2"]:
        """The checkpoint's actions, asked for at `observation`, as the client executes them: float32 [W, A2]."""
        values = self.action.to_client(np.asarray(chunk, np.float64), self._start(observation))
        return values.astype(np.float32)

    def own_actions(
        self, sent: Any, observation: Observation, key: str = "executed actions"
    ) -> Float[np.ndarray, "K A"]:
        """The inverse of `actions`, for what a client says it carries out from `observation` on: float32 [K, A].

        key: what they are called in a message. Raises DataError for another width, and for what is not finite.
        """
        width = len(self.contract.action.names)
        numbers = _real(sent)
        actions = np.zeros(0, "O") if numbers is None else numbers
        if actions.dtype.kind not in "fiu" or actions.ndim != 2 or actions.shape[1] != width:
            raise DataError(
                f"{key}: {actions.dtype} {list(actions.shape)}; send numbers [K, {width}]: "
                f"{', '.join(self.contract.action.names)}",
                "width",
            )
        if not _finite(actions).all():
            raise DataError(f"{key}: hold NaN or infinity; send what the robot carries out", "numbers")
        values = self.action.to_checkpoint(actions.astype(np.float64), self._start(observation))
        return _as_float32(values, key, self.checkpoint.action.names)

    def _start(self, observation: Observation) -> Float[np.ndarray, " state_dim"]:
        return si(observation.state, self.checkpoint.state.units)

    def _check_keys(self, values: Mapping[str, Any]) -> None:
        known = {key for keys in self.cameras.values() for key in keys} | set(self.ignored) | set(self.adapter.prompt)
        known |= {key for part in self.adapter.state for key in part.keys}
        unknown = [key for key in values if key not in known]
        if unknown:
            raise DataError(
                f"observation: unknown key {unknown[0][:80]!r}; adapter {self.adapter.name!r} takes "
                f"{', '.join(self.expected)}",
                "key",
            )

    def _one(self, values: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[Any, str]:
        """The value of the one key of these that the message has, and that key."""
        there = [key for key in keys if key in values]
        if len(there) == 1:
            return values[there[0]], there[0]
        if there:
            raise DataError(f"observation: {' and '.join(there)} are the same thing; send one of them", "key")
        raise DataError(
            f"observation: no {' or '.join(keys)}; it has {', '.join(key[:80] for key in values) or 'nothing'}; "
            f"adapter {self.adapter.name!r} takes {', '.join(self.expected)}",
            "camera" if keys in self.cameras.values() else "key",
        )

    def _part(self, values: Mapping[str, Any], part: StatePart) -> Float[np.ndarray, " D"]:
        value, key = self._one(values, part.keys)
        names = self.contract.state.names if part.names is None else part.names
        numbers = _real(value)
        if numbers is None or numbers.dtype.kind not in "fiu":
            kind = type(value).__name__ if numbers is None else numbers.dtype
            raise DataError(f"{key}: {kind}; send {len(names)} real numbers: {', '.join(names)}", "width")
        if numbers.shape != (len(names),):
            raise DataError(
                f"{key}: shape {list(numbers.shape)}, but the state has [{len(names)}]: {', '.join(names)}", "width"
            )
        if not _finite(numbers).all():
            wrong = names[int(np.flatnonzero(~_finite(numbers))[0])]
            raise DataError(f"{key}: {wrong!r} is NaN or infinite; send finite numbers", "numbers")
        return numbers.astype(np.float64)

    def _prompt(self, values: Mapping[str, Any]) -> str:
        default = self.adapter.default_prompt
        if default is not None and not any(key in values for key in self.adapter.prompt):
            return default
        value, key = self._one(values, self.adapter.prompt)
        if not isinstance(value, str) or not value.strip():
            kind = "an empty text" if isinstance(value, str) else f"a {type(value).__name__}"
            raise DataError(f"{key}: {kind}; send the instruction as text", "prompt")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise DataError(f"{key}: holds half a character; send the instruction as UTF-8 text", "prompt") from None
        return str(value)


def bind(adapter: Adapter, contract: Contract) -> Bound:
    """Raises DataError, both sides printed, where adapter and contract disagree in what is not to be converted."""
    cameras, state, action, unverified = agreement(adapter, contract)
    client = replace(
        contract,
        image=_images(adapter, contract),
        state=replace(contract.state, names=state.names, units=state.units),
        action=replace(
            contract.action,
            names=action.names,
            units=action.units,
            **_stated(adapter, ("motion", "rotation", "gripper")),
        ),
    )
    used = {key for keys in cameras.values() for key in keys}
    ignored = tuple(key for camera in adapter.cameras for key in camera.keys if CAMERA not in key and key not in used)
    return Bound(adapter, contract, client, cameras, ignored, state, action, unverified)


def bind_named(name: str, contract: Contract) -> Bound:
    """`bind` of the adapter of that name, or of the file of that path, which the error then names.

    Raises ConfigError as `adapter_named` does.
    """
    adapter = adapter_named(name)
    try:
        return bind(adapter, contract)
    except DataError as error:
        raise DataError(f"{name}: {error}" if name.endswith(".toml") else str(error), error.kind) from None


def _images(adapter: Adapter, contract: Contract) -> Pictures:
    images = adapter.images
    fit = images.fit or contract.image.fit
    return Pictures(contract.image.size, fit, images.layout, images.colour, images.values)


def _stated(adapter: Adapter, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(adapter.action, name)) is not None}


def _as_float32(values: Float[np.ndarray, "*n D"], field: str, names: tuple[str, ...]) -> Float[np.ndarray, "*n D"]:
    """Raises DataError naming the first dimension of which float32 cannot hold a value."""
    wrong = np.argwhere(np.abs(values) > np.finfo(np.float32).max)
    if len(wrong):
        raise DataError(f"{field}: {names[wrong[0][-1]]!r} is beyond float32; send what the robot measures", "numbers")
    return values.astype(np.float32)


def _flat(message: Any) -> dict[str, Any]:
    """Nested mappings as keys joined by "/", without the reserved ones. Raises DataError for keys that are no text."""
    result: dict[str, Any] = {}
    waiting = [("", message, 0)]
    while waiting:
        prefix, values, depth = waiting.pop(0)
        if not isinstance(values, Mapping) or depth > DEPTH:
            kind = f"nested deeper than {DEPTH}" if depth > DEPTH else f"a {type(values).__name__}"
            raise DataError(f"observation: {kind}; send a mapping of keys to values", "key")
        for name, value in values.items():
            if not isinstance(name, str):
                raise DataError(f"observation: the key {name!r:.80} is a {type(name).__name__}; send text", "key")
            key = prefix + name
            if key.startswith(RESERVED):
                continue
            if isinstance(value, Mapping):
                waiting.append((f"{key}/", value, depth + 1))
            elif key in result:
                raise DataError(f"observation: {key!r:.80} comes twice, by itself and nested; send it once", "key")
            else:
                result[key] = value
    return result


def _real(value: Any) -> np.ndarray | None:
    """An array of what a client sent as numbers; None for anything else, lists of unequal lengths included."""
    if not isinstance(value, np.ndarray | np.generic | list | float | int):
        return None
    try:
        return np.asarray(value)
    except ValueError:  # unequal lengths, or deeper than numpy's 64 dimensions
        return None


def _finite(numbers: np.ndarray) -> Bool[np.ndarray, "..."]:
    """Where a number is finite as float32, the type in which the model takes it."""
    with np.errstate(over="ignore"):
        return np.isfinite(numbers.astype(np.float32))
