"""Where what Polymath-V makes for a user lives, apart from any run: `$POLYMATH_HOME`, or `~/.cache/polymath`.

HOME/simulators/NAME/       the environment that `polymath setup NAME` makes
"""

import os
from pathlib import Path

VARIABLE = "POLYMATH_HOME"


def home() -> Path:
    """The directory; it need not exist."""
    chosen = os.environ.get(VARIABLE)
    return Path(chosen).expanduser().absolute() if chosen else Path.home() / ".cache" / "polymath"


def simulator_folder(name: str) -> Path:
    """The environment of the simulator `name`, which `polymath setup NAME` makes."""
    return home() / "simulators" / name
