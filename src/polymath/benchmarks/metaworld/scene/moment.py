"""A moment of one scene in another scene of the same family, so that another task's rule can measure it."""

import mujoco

from polymath.benchmarks.metaworld.scene.scene import DECOY

_POSITIONS = {
    mujoco.mjtJoint.mjJNT_FREE: 7,
    mujoco.mjtJoint.mjJNT_BALL: 4,
    mujoco.mjtJoint.mjJNT_SLIDE: 1,
    mujoco.mjtJoint.mjJNT_HINGE: 1,
}
"""Numbers of `qpos` that a joint has."""


def copy_moment(
    source: mujoco.MjModel,
    moment: mujoco.MjData,
    target: mujoco.MjModel,
    data: mujoco.MjData,
    exchanged: bool,
) -> None:
    """Positions of all joints and of the mocap hand; `exchanged`: what moves the decoy there moves the object here."""
    for joint in range(source.njnt):
        body = source.body(source.jnt_bodyid[joint])
        if not exchanged:
            twin = joint
        elif body.name.startswith(DECOY):
            twin = target.body(body.name.removeprefix(DECOY)).jntadr[0]
        elif _has_body(target, DECOY + body.name):
            twin = target.body(DECOY + body.name).jntadr[0]
        else:
            twin = joint
        here, there = source.jnt_qposadr[joint], target.jnt_qposadr[twin]
        width = _POSITIONS[source.jnt_type[joint]]
        data.qpos[there : there + width] = moment.qpos[here : here + width]
    data.mocap_pos[:], data.mocap_quat[:] = moment.mocap_pos, moment.mocap_quat


def _has_body(model: mujoco.MjModel, name: str) -> bool:
    return mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, name) >= 0
