"""CALVIN's robot as its data's reader has it, so that a policy trained on CALVIN data is evaluated on the same numbers.

state   float32 [15], `robot_obs`: x y z (m), roll pitch yaw (rad) of the tool in the world; opening (m); seven joints
        (rad); the last gripper command, 1 open or -1 closed
action  float32 [7], `rel_actions`: x y z in 0.02 m, roll pitch yaw in 0.05 rad, gripper above 0 opens
"""

from polymath.data.robots.embodiments import CALVIN

EMBODIMENT = CALVIN
RENDERERS = ("tiny", "egl")
"""pybullet's own renderer on the CPU, and OpenGL. Their pictures differ: shadows, smooth shading."""
PICTURE_SIZES = {"rgb_static": (200, 200), "rgb_gripper": (84, 84)}
"""Camera -> height and width in pixels, as the official environment renders them."""
