"""Software Vulkan for SAPIEN: the folder `lavapipe` beside the interpreter, if `polymath setup bridge` made one.

PREFIX/lavapipe/root/      Mesa's lavapipe with the libraries it needs, unpacked from Debian's packages
PREFIX/lavapipe/layer/     the layer that lets SAPIEN 2 use it (see ../../vulkan/semaphore_fd.c)
"""

import os
import sys
from glob import glob
from typing import Dict, Optional

LAYER = "VK_LAYER_POLYMATH_semaphore_fd"
_MARK = "POLYMATH_LAVAPIPE"


def environment(folder: str) -> Optional[Dict[str, str]]:
    """Variables that make SAPIEN render with the lavapipe in `folder`; None if it has none."""
    drivers = sorted(glob(os.path.join(folder, "root/usr/share/vulkan/icd.d/lvp_icd*.json")))
    if not drivers:
        return None
    libraries = sorted(glob(os.path.join(folder, "root/usr/lib/*-linux-gnu")))
    return {
        "LD_LIBRARY_PATH": os.pathsep.join(libraries + list(filter(None, [os.environ.get("LD_LIBRARY_PATH")]))),
        "VK_DRIVER_FILES": drivers[0],
        "VK_ICD_FILENAMES": drivers[0],
        "VK_LAYER_PATH": os.path.join(folder, "layer"),
        "VK_INSTANCE_LAYERS": LAYER,
        "LP_NUM_THREADS": os.environ.get("LP_NUM_THREADS", "1"),
        _MARK: folder,
    }


def use_lavapipe(module: str) -> bool:
    """Start `module` again with the variables set, since the dynamic linker reads them only at the start of a process.

    False if there is no lavapipe here: then SAPIEN finds the system's own Vulkan driver.
    """
    if os.environ.get(_MARK):
        return True
    variables = environment(os.path.join(sys.prefix, "lavapipe"))
    if variables is None:
        return False
    os.execve(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]], {**os.environ, **variables})
