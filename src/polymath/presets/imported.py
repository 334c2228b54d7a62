"""A recipe from a user's own module: `package.module:RECIPE`."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from polymath.errors import ConfigError, did_you_mean
from polymath.training.recipe import Recipe


def recipe_at(place: str) -> Recipe:
    """The Recipe of that module, which is looked for in the working directory and then where Python looks.

    Raises ConfigError if there is no such module, if it cannot be imported, or if what is named is no Recipe.
    """
    module_name, _, name = place.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), *name.split("."))):
        raise ConfigError(f"recipe {place!r}: write it as package.module:RECIPE, for example my_recipes:SMALL")
    value = _imported(place, module_name)
    for part in name.split("."):
        if not hasattr(value, part):
            recipes = [each for each, other in vars(value).items() if isinstance(other, Recipe)]
            hint = did_you_mean(part, recipes) if recipes else "it holds no Recipe"
            raise ConfigError(f"recipe {place!r}: {module_name} has no {part!r}; {hint}")
        value = getattr(value, part)
    if not isinstance(value, Recipe):
        raise ConfigError(f"recipe {place!r}: a {type(value).__name__}, not a polymath.Recipe; name a Recipe object")
    return value


def _imported(place: str, module_name: str) -> object:
    try:
        with _working_directory_first():
            return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and f"{module_name}.".startswith(f"{error.name}."):
            raise ConfigError(
                f"recipe {place!r}: no module {error.name!r} in {Path.cwd()} nor on Python's path; "
                "go to its directory, or install its package"
            ) from None
        raise ConfigError(f"recipe {place!r}: {module_name} needs {error.name}, which is not installed") from error
    except SyntaxError as error:
        where = f"{error.filename}, line {error.lineno}"
        raise ConfigError(f"recipe {place!r}: {where}: {error.msg}; correct the file") from error
    except (Exception, SystemExit) as error:  # a user's module runs here, and can raise anything
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"recipe {place!r}: {module_name} cannot be imported ({type(error).__name__}: {reason}); correct it, "
            "POLYMATH_DEBUG=1 shows where"
        ) from error


@contextmanager
def _working_directory_first() -> Iterator[None]:
    """As `python -m` does; the `polymath` script has the directory of scripts in its place."""
    directory = str(Path.cwd())
    sys.path.insert(0, directory)
    try:
        yield
    finally:
        if directory in sys.path:
            sys.path.remove(directory)
