"""Empty modules in place of packages that `calvin_env` imports and never uses in an evaluation.

    gym          a base class, and a random generator for object poses that every reset overwrites
    cv2          windows for people
    git          the commit of the checkout, for a line of its log
    quaternion   an inverse kinematics of its own that the official configuration switches off (use_ik_fast: false)

With them the environment needs neither OpenCV nor the abandoned gym.
"""

import sys
import types
from typing import Any

import numpy as np

NAMES = ("gym", "cv2", "git", "quaternion")


def np_random(seed: Any = None) -> Any:
    """As `gym.utils.seeding.np_random`: a generator, and its seed."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed))), seed


def install() -> None:
    """Put the stand-ins into `sys.modules`, real packages or not, so that every machine runs the same code."""
    for name in NAMES:
        sys.modules[name] = types.ModuleType(name)
    gym, utils, seeding = sys.modules["gym"], types.ModuleType("gym.utils"), types.ModuleType("gym.utils.seeding")
    gym.Env = object  # type: ignore[attr-defined]
    gym.utils, utils.seeding, seeding.np_random = utils, seeding, np_random  # type: ignore[attr-defined]
    sys.modules["gym.utils"], sys.modules["gym.utils.seeding"] = utils, seeding
