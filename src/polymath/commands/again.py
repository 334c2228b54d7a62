"""The command line that runs a verb again with the same arguments, for a report to show."""

import inspect
import shlex
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from tyro.conf import Positional

_POSITIONAL = Positional[int].__metadata__  # type: ignore[attr-defined]


def command_line(verb: str, function: Callable[..., Any], arguments: Mapping[str, Any]) -> str:
    """`polymath VERB …` with the arguments of `function` that are not its defaults, but for `json`."""
    hints = get_type_hints(function, include_extras=True)
    first, words = [], []
    for name, parameter in inspect.signature(function).parameters.items():
        value = arguments[name]
        if getattr(hints[name], "__metadata__", ()) == _POSITIONAL:
            first += _texts(value)
        elif name != "json" and value != parameter.default:
            words += _option(name, value)
    return shlex.join(["polymath", verb, *first, *words])


def _option(name: str, value: Any) -> list[str]:
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    return [f"--{flag}", *_texts(value)]


def _texts(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, tuple) else [str(value)]
