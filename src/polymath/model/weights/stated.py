"""What the files beside published weights state about a vision transformer, field by field of `vit.Config`.

The same statements are applied to a recipe (`applied`) and compared with a configuration (`check`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NoReturn

from polymath.errors import CheckpointError, ConfigError
from polymath.model import vit
from polymath.model.weights.fields import Fields, brief, is_number

CHOICES = ("image_size", "final_norm")
"""Fields that may differ from the file: positions are interpolated, and the last norm may be left out."""


@dataclass(frozen=True)
class Statement:
    """value: of our field; path, field, text: the file, its own field and what stands there."""

    value: Any
    path: Path
    field: str
    text: Any


Statements = dict[str, Statement]  # by the field of `vit.Config`


def check(statements: Mapping[str, Statement], config: vit.Config) -> None:
    """Raise CheckpointError for the first statement that `config` contradicts, naming the file and both fields."""
    for name, statement in statements.items():
        setting = getattr(config, name)
        if name not in CHOICES and not _same(statement.value, setting):
            raise CheckpointError(
                f"{statement.path}: {statement.field} is {brief(statement.text)}, but model.vit.{name} is "
                f"{brief(setting)}; set model.vit.{name}={statement.value}"
            )


def square(fields: Fields, name: str, default: Any = None) -> Statement:
    """The side of square pictures, which the field gives as a number or as height and width."""
    text = fields.take(name, default)
    if isinstance(text, list) and len(text) == 2 and text[0] == text[1]:
        side = Fields(fields.path, {name: text[0]}, fields.name("")).integer(name)
    else:
        side = fields.integer(name, default)
    return Statement(side, fields.path, fields.name(name), text)


def refuse(statement: Statement, reason: str, remedy: str) -> NoReturn:
    raise ConfigError(f"{statement.path}: {statement.field} is {brief(statement.text)}, but {reason}; {remedy}")


def applied(statements: Mapping[str, Statement], folder: Path) -> vit.Config:
    """The configuration that the files state. Raises ConfigError for sizes that do not fit together."""
    values = {name: statement.value for name, statement in statements.items()}
    missing = [f.name for f in fields(vit.Config) if f.name not in values and f.name != "position_scale"]
    if missing:
        raise ConfigError(f"{folder}: no file there states model.vit.{missing[0]}; give the whole folder of the model")
    try:
        return vit.Config(**values)
    except ConfigError as error:
        raise ConfigError(f"{folder}: {error}; fetch the folder again") from None


def _same(a: Any, b: Any) -> bool:
    """Whole numbers are equal; others to 1e-6, and means and deviations of pixels to 1e-3, as they are rounded."""
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(
            math.isclose(x, y, rel_tol=1e-3, abs_tol=1e-6) for x, y in zip(a, b, strict=True)
        )
    if is_number(a) and is_number(b):
        return math.isclose(a, b, rel_tol=1e-6)
    return type(a) is type(b) and a == b
