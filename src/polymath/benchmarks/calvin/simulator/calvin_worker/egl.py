"""Whether pybullet can draw with OpenGL here; tried in a process of its own, since its plug-in may end the process."""

import subprocess
import sys

TRIAL = """
import importlib.util, pybullet as p
p.connect(p.DIRECT)
plugin = p.loadPlugin(importlib.util.find_spec("eglRenderer").origin, "_eglRendererPlugin")
assert plugin >= 0
p.getCameraImage(8, 8)
print(p.isNumpyEnabled())
"""
TIMEOUT = 120.0  # seconds


class RendererError(Exception):
    """The renderer cannot be used on this machine; the message says what to do."""


def check() -> None:
    """Raises RendererError unless a picture can be drawn with EGL."""
    trial = subprocess.run(
        [sys.executable, "-c", TRIAL], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT
    )
    if trial.returncode:
        lines = trial.stdout.decode(errors="replace").strip().splitlines()
        raise RendererError(
            "renderer egl: OpenGL without a display does not work here ({}); install EGL (Debian: libegl1 and "
            "libgl1-mesa-dri), or choose --renderer tiny, whose pictures differ".format(
                lines[-1] if lines else "no message"
            )
        )
