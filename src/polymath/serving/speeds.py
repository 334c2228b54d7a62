"""How long passes take, kept beside the compiled programs, so that a start from the cache need not measure it again.

One file for each model, as it is held, and kind of machine: speeds-DIGEST.json, {"ROWS": seconds of the quickest pass}.
What does not read as that is logged and measured anew.
"""

import hashlib
import json
import logging
import math
import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import jax

from polymath import config
from polymath.errors import PolymathError
from polymath.files import atomic_write
from polymath.policy import Policy

log = logging.getLogger("polymath.serving")


def known_speeds(folder: Path, policy: Policy) -> dict[int, float]:
    """Seconds of a pass by its rows, as an earlier start measured them; empty where none has."""
    file = _file(folder, policy)
    try:
        entries = json.loads(file.read_text())
        speeds = {int(rows): float(seconds) for rows, seconds in entries.items()}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, OverflowError, TypeError, AttributeError, RecursionError) as error:
        log.warning("speeds not read", extra={"file": str(file), "error": f"{type(error).__name__}: {error}"})
        return {}
    return {rows: seconds for rows, seconds in speeds.items() if 0 < seconds < math.inf}


def remember_speeds(folder: Path, policy: Policy, speeds: Mapping[int, float]) -> None:
    """For the next start; those of other rows stay. A folder that cannot be written to is logged, no error."""
    known = known_speeds(folder, policy)
    if all(rows in known for rows in speeds):
        return
    try:
        with atomic_write(_file(folder, policy)) as file:
            file.write_text(json.dumps(known | dict(speeds)))
    except (OSError, PolymathError) as error:
        log.warning("speeds not kept", extra={"folder": str(folder), "error": str(error)})


def _file(folder: Path, policy: Policy) -> Path:
    """Named after all that a pass takes its time for."""
    recipe, device = policy.run.recipe, jax.devices()[0]
    parts = [
        [version("polymath-v"), jax.__version__, device.platform, device.device_kind, os.cpu_count()],
        [config.to_dict(each) for each in (recipe.model, recipe.execution, recipe.layout)],
        [list(policy.run.embodiment.cameras), policy.dtype, policy.decoding.label],
    ]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return folder / f"speeds-{digest[:16]}.json"
