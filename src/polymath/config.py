"""Frozen dataclasses to JSON and back, and command-line overrides of the form `a.b=c`."""

import dataclasses
import json
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

from polymath.errors import ConfigError, did_you_mean
from polymath.files import atomic_write

T = TypeVar("T")


def to_dict(config: Any) -> dict[str, Any]:
    """The dataclass as plain JSON values (tuples become lists)."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def from_dict(cls: type[T], values: dict[str, Any], where: str = "config") -> T:
    """Rebuild `cls` from `to_dict`'s output. Raises ConfigError naming an unknown, missing or ill-typed field.

    A class method `upgrade` of `cls`, if it has one, turns the fields of older files into today's.
    """
    values = getattr(cls, "upgrade", dict)(values)
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for name in values:
        if name not in fields:
            raise ConfigError(f"{where}.{name}: no such field in {cls.__name__}; {did_you_mean(name, fields)}")
    required = [f.name for f in fields.values() if _is_required(f) and f.name not in values]
    if required:
        raise ConfigError(f"{where}: missing field {required[0]!r} of {cls.__name__}")
    decoded = {name: _decode(hints[name], value, f"{where}.{name}") for name, value in values.items()}
    try:
        return cls(**decoded)
    except ConfigError as error:  # of the class's own checks, which name a field but not the group it stands in
        message = str(error)
        raise ConfigError(f"{where}.{message}" if message.partition(":")[0] in fields else message) from None


def save(config: Any, path: Path) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(to_dict(config), indent=2) + "\n")


def load(cls: type[T], path: Path) -> T:
    """Read `cls` from a JSON file. Raises ConfigError if the file is missing, not JSON, or does not fit."""
    try:
        values = json.loads(Path(path).read_text())
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; is this a run directory written by `polymath train`?") from None
    except OSError as error:
        reason = f"cannot be read ({error.strerror or error})"
        raise ConfigError(f"{path}: {reason}; name a run directory written by `polymath train`") from None
    except (ValueError, RecursionError) as error:  # no JSON, or no text at all
        raise ConfigError(f"{path}: not valid JSON ({error}); restore the file from the run that wrote it") from None
    return from_dict(cls, values, where=str(path))


def first_difference(a: Any, b: Any) -> tuple[str, object, object] | None:
    """(dotted name, value in a, value in b) of the first field in which two dataclasses differ."""
    return next(differences(a, b), None)


def differences(a: Any, b: Any) -> typing.Iterator[tuple[str, object, object]]:
    """(dotted name, value in a, value in b) of every field in which two dataclasses differ, in the order of a's."""
    return _differences(to_dict(a), to_dict(b), "")


def _differences(a: object, b: object, name: str) -> typing.Iterator[tuple[str, object, object]]:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in a:
            yield from _differences(a[key], b.get(key), f"{name}.{key}" if name else key)
    elif a != b:
        yield name, a, b


def apply_overrides(config: T, assignments: typing.Sequence[str]) -> T:
    """Apply `["optimizer.peak=1e-3", "model.decoder.layers=4"]`; each value is JSON or else a bare string.

    Raises ConfigError for an unknown field (with the nearest name) or a value of another type.
    """
    values = to_dict(config)
    for assignment in assignments:
        path, separator, text = assignment.partition("=")
        if not separator:
            raise ConfigError(
                f"--set {assignment}: write it as field=value, for example optimizer.peak_learning_rate=1e-3"
            )
        *parents, leaf = path.split(".")
        node = values
        for parent in parents:
            if not isinstance(node.get(parent), dict):
                raise ConfigError(f"--set {assignment}: no group {parent!r}; {did_you_mean(parent, node)}")
            node = node[parent]
        if leaf not in node:
            raise ConfigError(f"--set {assignment}: no field {leaf!r}; {did_you_mean(leaf, node)}")
        node[leaf] = _parse(text)
    return from_dict(type(config), values, where="--set")


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # no JSON, or a number of more digits than Python reads
        return text


def _is_required(f: dataclasses.Field) -> bool:
    return f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING


def _decode(hint: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _decode_union(arguments, value, where)
    if origin is typing.Literal:
        if value not in arguments:
            raise ConfigError(f"{where}: {value!r} is none of {', '.join(map(repr, arguments))}")
        return value
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise ConfigError(f"{where}: expected the fields of {hint.__name__}, got {value!r}")  # type: ignore[union-attr]
        return from_dict(hint, value, where)  # type: ignore[arg-type]
    if origin is tuple:
        if not isinstance(value, list):
            raise ConfigError(f"{where}: expected a list, got {value!r}")
        if len(arguments) == 2 and arguments[1] is ...:
            return tuple(_decode(arguments[0], v, f"{where}[{i}]") for i, v in enumerate(value))
        if len(arguments) != len(value):
            raise ConfigError(f"{where}: expected {len(arguments)} values, got {len(value)}")
        return tuple(_decode(a, v, f"{where}[{i}]") for i, (a, v) in enumerate(zip(arguments, value, strict=True)))
    if origin is dict:
        if not isinstance(value, dict):
            raise ConfigError(f"{where}: expected a map, got {value!r}")
        return {key: _decode(arguments[1], v, f"{where}[{key!r}]") for key, v in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return _as_float(value, where)
    if not isinstance(value, hint) or (hint in (int, float) and isinstance(value, bool)):
        raise ConfigError(f"{where}: expected {hint.__name__}, got {value!r}")
    return value


def _as_float(value: int, where: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise ConfigError(f"{where}: is beyond 1.8e308, the largest float; choose a smaller number") from None


def _decode_union(arguments: tuple[Any, ...], value: Any, where: str) -> Any:
    problems = []
    for argument in arguments:
        if argument is type(None):
            if value is None:
                return None
            continue
        try:
            return _decode(argument, value, where)
        except ConfigError as error:
            problems.append(str(error))
    raise ConfigError(f"{where}: {value!r} fits no alternative: {'; '.join(problems)}")
