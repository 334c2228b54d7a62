"""The interpreter that has a simulator: what the user names, else what `polymath setup` made."""

import os
from pathlib import Path

from polymath.errors import ConfigError
from polymath.home import simulator_folder


def variable(name: str) -> str:
    """The environment variable that names the interpreter of the simulator `name`."""
    return f"POLYMATH_{name.upper().replace('-', '_').replace('.', '_')}_PYTHON"


def simulator_python(name: str) -> str:
    """`$POLYMATH_<NAME>_PYTHON`, else the interpreter of the environment that `polymath setup NAME` made.

    Raises ConfigError with the command that makes one, where there is none.
    """
    if chosen := os.environ.get(variable(name)):
        if not Path(chosen).is_file():
            raise ConfigError(f"${variable(name)}: {chosen!r} is no interpreter; name one that has the simulator")
        return chosen
    made = simulator_folder(name) / "bin" / "python"
    if not made.is_file():
        raise ConfigError(
            f"simulator {name}: there is no {made}; make its environment with `polymath setup {name}`, or name an "
            f"interpreter that has it with --python or ${variable(name)}"
        )
    return str(made)
