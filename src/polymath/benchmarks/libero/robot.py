"""LIBERO's robot as its data sets' reader has it, so that a policy trained on them is evaluated on the same numbers.

state   float32 [8]: x y z [m] of the end effector in the world, its axis-angle [rad], the positions of the two fingers
        [m], about (0.04, -0.04) when open
action  float32 [7] in [-1, 1]: x y z in 0.05 m, rotation vector in 0.5 rad (OSC_POSE), gripper below 0 opens

The cameras have the names of LIBERO's HDF5 files, whose pictures are robosuite's own, upside down. The converted data
sets (RLDS, LeRobot) and all evaluations of other projects turn them by 180 degrees, so they are turned here too; the
option `pictures` takes the others: `raw`.
"""

from polymath.data.robots.embodiments import LIBERO

EMBODIMENT = LIBERO
RENDERERS = ("egl", "egl-fast", "ray")
"""robosuite's own pictures; the same without multisampling; the ray caster, which needs no OpenGL."""

PICTURES = ("turned", "raw")
