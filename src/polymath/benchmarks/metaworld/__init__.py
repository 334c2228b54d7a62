"""The embedded simulator: Meta-World v3 on MuJoCo, its tasks, scripted experts, recordings and captioned pictures.

Pictures come from MuJoCo's ray caster, so nothing here needs OpenGL. MuJoCo and gymnasium look for a GL library when
they are imported; that search is switched off before the first import unless the user has chosen a backend.
"""

import os

os.environ.setdefault("MUJOCO_GL", "disabled")
