"""The embedded simulator's robot and clock; nothing here needs the simulator."""

from polymath.types import Embodiment

EPISODE_LIMIT = 55
"""Control steps after which an episode has failed."""

CAMERA_NAMES = ("front", "top")
RENDERERS = ("ray", "egl", "osmesa")

EMBODIMENT = Embodiment(
    name="sawyer-metaworld",
    slot=0,
    cameras=("front",),
    state_names=("x", "y", "z", "gripper"),
    action_names=("dx", "dy", "dz", "gripper"),
    gripper_dims=(3,),
    control_hz=20.0,
)
