"""docs/settings.md: every field of `--set`, with its type, its value in two presets, and what its class says of it.

python -m polymath.presets.settings_page docs/settings.md
"""

import dataclasses
import inspect
import re
import sys
import typing
from pathlib import Path
from typing import Any

from polymath import config
from polymath.model.lora import Config as Adapters
from polymath.presets.demo import RECIPE as DEMO
from polymath.presets.polymath_v import POLYMATH_V_200M
from polymath.training.continuing import BOOKKEEPING, EXECUTION
from polymath.training.recipe import Recipe

SHOWN = (DEMO, POLYMATH_V_200M)
INTRODUCTION = """# Every setting

Made by `make settings` from the classes that hold the fields; do not edit it. `polymath train PRESET --set FIELD=VALUE`
changes any of them; a value is JSON or else plain text. [Fine-tuning](finetuning.md#settings-that-matter) shows those
that a fine-tuning usually changes. `PHASE` is `alignment` or `robot`; the values are those of the robot phase. Fields
marked ↻ may change in a run that has trained, the number of steps together with its cool-down; some others where
[`--allow`](reliability.md) declares the change.

"""
FREE = {
    *(f"execution.{name}" for name in EXECUTION),
    *(f"PHASE.{name}" for name in ("steps", *BOOKKEEPING, "loss.tile")),
    "held_out.every",
}


def page() -> str:
    """The whole page, in Markdown."""
    return INTRODUCTION + "\n".join(_section(title, cls, prefix) for title, cls, prefix in _groups())


def _groups() -> list[tuple[str, type, str]]:
    """(title, dataclass, prefix of its fields) in the order of a recipe; the two phases stand once."""
    groups: list[tuple[str, type, str]] = [("The recipe", Recipe, "")]

    def walk(cls: type, prefix: str) -> None:
        for name, hint in typing.get_type_hints(cls).items():
            inner = _dataclass(hint)
            if inner is None or name == "alignment":
                continue
            path = "PHASE." if name == "robot" else f"{prefix}{name}."
            groups.append((path.removesuffix("."), inner, path))
            walk(inner, path)

    walk(Recipe, "")
    return groups


def _dataclass(hint: Any) -> type | None:
    options = [hint, *typing.get_args(hint)]
    return next((each for each in options if isinstance(each, type) and dataclasses.is_dataclass(each)), None)


def _section(title: str, cls: type, prefix: str) -> str:
    text = inspect.cleandoc(cls.__doc__ or "")
    is_own = not text.startswith(f"{cls.__name__}(")  # else the dataclass decorator wrote it
    described = ["```text", text, "```", ""] if is_own else []
    lines = [
        f"## {title}",
        "",
        *described,
        "| field | type | demo | polymath_v_200m | |",
        "| --- | --- | --- | --- | --- |",
    ]
    hints, comments = typing.get_type_hints(cls), _comments(cls)
    for field in dataclasses.fields(cls):
        if _dataclass(hints[field.name]) is not None and cls is not Adapters:
            continue
        name = f"{prefix}{field.name}"
        free = "↻ " if name in FREE or prefix == "mesh." else ""
        values = " | ".join(_value(recipe, name) for recipe in SHOWN)
        lines.append(f"| `{name}` | {_type(hints[field.name])} | {values} | {free}{comments.get(field.name, '')} |")
    return "\n".join(lines) + "\n"


def _comments(cls: type) -> dict[str, str]:
    """What stands behind a field on its line."""
    rows = re.findall(r"^    (\w+):[^#\n]*# (.+)$", inspect.getsource(cls), flags=re.M)
    return {name: comment.replace("|", "\\|") for name, comment in rows}


def _type(hint: Any) -> str:
    text = inspect.formatannotation(hint).replace("typing.", "").replace("Optional", "")
    return f"`{text}`".replace("|", "\\|")


def _value(recipe: Recipe, name: str) -> str:
    value: Any = config.to_dict(recipe)
    for part in name.replace("PHASE", "robot").split("."):
        value = value.get(part) if isinstance(value, dict) else None
    text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{text}`".replace("|", "\\|") if text else ""


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
