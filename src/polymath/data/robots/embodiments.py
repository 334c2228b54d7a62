"""Robots of public data sets as data: cameras and roles, layout and units of state and action, conventions.

`slot` chooses the `<robot:…>` token; 0 is the embedded simulator's, 31 the pointer's. Facts are from the data sets'
papers and builders, named beside each robot. `check` says whether a description fits itself.

Other packages add robots under the entry point `polymath.robots`; `robot_named` finds both.
"""

from polymath import plugins
from polymath.errors import ConfigError, DataError
from polymath.types import Conventions, Embodiment, Gripper, Motion, Role, Rotation

GROUP = "polymath.robots"
ROBOT_SLOTS = 32  # as many as there are `<robot:…>` tokens
XYZ, RPY = ("x", "y", "z"), ("roll", "pitch", "yaw")
POSE_UNITS = ("m", "m", "m", "rad", "rad", "rad")


def arm(
    name: str,
    slot: int,
    cameras: dict[str, Role],
    state: tuple[str, ...],
    state_units: tuple[str, ...],
    hz: float,
    gripper: Gripper = "-1 closed 1 open",
    rotation: Rotation = "euler xyz",
    motion: Motion = "pose delta",
    action_units: tuple[str, ...] = (*POSE_UNITS, "1"),
) -> Embodiment:
    """A single arm commanded by six numbers of pose and one of gripper, in its base frame."""
    names = XYZ + (RPY if rotation == "euler xyz" else ("rx", "ry", "rz"))
    conventions = Conventions(tuple(cameras.values()), state_units, action_units, motion, rotation, "base", gripper)
    prefix = "d" if motion == "pose delta" else ""
    return Embodiment(
        name=name,
        slot=slot,
        cameras=tuple(cameras),
        state_names=state,
        action_names=(*(prefix + part for part in names), "gripper"),
        gripper_dims=(6,),
        control_hz=hz,
        action_space=f"{motion}, {rotation}, base frame; gripper {gripper}",
        state_space=", ".join(f"{part} [{unit}]" for part, unit in zip(state, state_units, strict=True)),
        conventions=conventions,
    )


def check(robot: Embodiment) -> None:
    """Raise DataError unless the conventions have one entry for each camera and dimension."""
    conventions = robot.conventions
    if conventions is None:
        return
    for field, entries, needed in (
        ("roles", conventions.roles, robot.cameras),
        ("state_units", conventions.state_units, robot.state_names),
        ("action_units", conventions.action_units, robot.action_names),
    ):
        if len(entries) != len(needed):
            raise DataError(f"embodiment {robot.name!r}, {field}: {len(entries)} entries, {len(needed)} are needed")


POSE_GRIPPER = (*XYZ, *RPY, "gripper")
POSE_GRIPPER_UNITS = (*POSE_UNITS, "1")
JOINTS = tuple(f"joint {i}" for i in range(7))
QUATERNION = ("qx", "qy", "qz", "qw")

# BridgeData V2 (Walke et al. 2023): WidowX 250 at 5 Hz; state x, y, z, roll, pitch, yaw, opening.
WIDOWX = arm("widowx-bridge", 1, {"image_0": "primary", "image_1": "secondary"}, POSE_GRIPPER, POSE_GRIPPER_UNITS, 5.0)
WIDOWX_RAW = arm(
    "widowx-bridge-raw", 1, {"image_0": "primary"}, POSE_GRIPPER, POSE_GRIPPER_UNITS, 5.0, "0 closed 1 open"
)
# CALVIN (Mees et al. 2022): Panda in simulation at 30 Hz; robot_obs has 15 numbers, rel_actions are scaled to [-1, 1].
CALVIN = arm(
    "panda-calvin",
    2,
    {"rgb_static": "primary", "rgb_gripper": "wrist"},
    (*POSE_GRIPPER[:6], "opening", *JOINTS, "gripper action"),
    (*POSE_UNITS, "m", *["rad"] * 7, "1"),
    30.0,
    action_units=(*["0.02 m"] * 3, *["0.05 rad"] * 3, "1"),
)
# RT-1 (Brohan et al. 2022), 3 Hz.
GOOGLE_ROBOT = arm(
    "google-robot",
    3,
    {"image": "primary"},
    (*XYZ, *QUATERNION, "closed"),
    ("m", "m", "m", "1", "1", "1", "1", "1"),
    3.0,
)
# TACO Play (Rosete-Beas et al. 2022), 15 Hz.
TACO = arm(
    "panda-taco",
    4,
    {"rgb_static": "primary", "rgb_gripper": "wrist"},
    POSE_GRIPPER,
    (*POSE_UNITS, "m"),
    15.0,
    action_units=(*["1"] * 6, "1"),
)
# Jaco Play (Dass et al. 2023), 10 Hz.
JACO = arm("jaco-play", 5, {"image": "primary", "image_wrist": "wrist"}, POSE_GRIPPER, POSE_GRIPPER_UNITS, 10.0)
# Berkeley UR5 demonstrations (Chen et al. 2023), 5 Hz.
UR5 = arm(
    "ur5-autolab",
    6,
    {"image": "primary", "hand_image": "wrist"},
    (*XYZ, *QUATERNION, "closed"),
    ("m", "m", "m", "1", "1", "1", "1", "1"),
    5.0,
)
# BC-Z (Jang et al. 2021), 10 Hz.
BCZ = arm(
    "google-robot-bcz",
    7,
    {"image": "primary"},
    (*XYZ, "rx", "ry", "rz", "closed"),
    POSE_GRIPPER_UNITS,
    10.0,
    rotation="axis-angle",
)
# FANUC manipulation (Zhu et al. 2023), 10 Hz.
FANUC = arm(
    "fanuc",
    8,
    {"image": "primary", "wrist_image": "wrist"},
    (*JOINTS[:6], "closed"),
    (*["rad"] * 6, "1"),
    10.0,
)
# CMU Stretch (Bahl et al. 2023), 10 Hz.
STRETCH = arm("stretch", 9, {"image": "primary"}, (*XYZ, "gripper"), ("m", "m", "m", "1"), 10.0)
# robomimic (Mandlekar et al. 2021): Panda in robosuite's OSC at 20 Hz, actions scaled to [-1, 1].
ROBOMIMIC = arm(
    "panda-robomimic",
    10,
    {"agentview_image": "primary", "robot0_eye_in_hand_image": "wrist"},
    (*XYZ, *QUATERNION, "finger 0", "finger 1"),
    ("m", "m", "m", "1", "1", "1", "1", "m", "m"),
    20.0,
    "-1 open 1 closed",
    "axis-angle",
    action_units=(*["0.05 m"] * 3, *["0.5 rad"] * 3, "1"),
)
# ALOHA (Zhao et al. 2023): two ViperX arms at 50 Hz, absolute joint positions of both with their grippers.
ALOHA = Embodiment(
    name="aloha",
    slot=11,
    cameras=("cam_high", "cam_low", "cam_left_wrist", "cam_right_wrist"),
    state_names=tuple(f"{side} {part}" for side in ("left", "right") for part in (*JOINTS[:6], "gripper")),
    action_names=tuple(f"{side} {part}" for side in ("left", "right") for part in (*JOINTS[:6], "gripper")),
    gripper_dims=(),  # in [0, 1]: normalised as the joints are
    control_hz=50.0,
    action_space="absolute joint positions of both arms; gripper 0 closed 1 open",
    state_space="joint positions of both arms [rad]; gripper opening in [0, 1]",
    conventions=Conventions(
        roles=("primary", "secondary", "wrist", "wrist"),
        state_units=(*["rad"] * 6, "1") * 2,
        action_units=(*["rad"] * 6, "1") * 2,
        motion="joints",
        rotation="none",
        frame="joints",
        gripper="0 closed 1 open",
    ),
)
# DROID (Khazatsky et al. 2024): Panda at 15 Hz; the 7 joint angles and the gripper, absolute positions as actions.
DROID = Embodiment(
    name="panda-droid",
    slot=12,
    cameras=("exterior_image_1_left", "wrist_image_left"),
    state_names=(*JOINTS, "closed"),
    action_names=(*JOINTS, "gripper"),
    gripper_dims=(7,),
    control_hz=15.0,
    action_space="absolute joint positions; gripper -1 closed 1 open",
    state_space="joint positions [rad]; gripper 0 open 1 closed",
    conventions=Conventions(
        roles=("primary", "wrist"),
        state_units=(*["rad"] * 7, "1"),
        action_units=(*["rad"] * 7, "1"),
        motion="joints",
        rotation="none",
        frame="joints",
        gripper="-1 closed 1 open",
    ),
)
# QT-Opt (Kalashnikov et al. 2018): KUKA LBR iiwa at 10 Hz in its Open X-Embodiment build.
KUKA = arm(
    "kuka-qtopt",
    13,
    {"image": "primary"},
    (*XYZ, *QUATERNION, "closed"),
    ("m", "m", "m", "1", "1", "1", "1", "1"),
    10.0,
)
# Language Table (Lynch et al. 2022): xArm6 with a stick at 10 Hz; it moves in the plane of the table.
LANGUAGE_TABLE = Embodiment(
    name="xarm-language-table",
    slot=14,
    cameras=("rgb",),
    state_names=("x", "y"),
    action_names=("dx", "dy"),
    gripper_dims=(),
    control_hz=10.0,
    action_space="pose delta in the plane of the table, base frame; no gripper",
    state_space="x [m], y [m]",
    conventions=Conventions(
        roles=("primary",),
        state_units=("m", "m"),
        action_units=("m", "m"),
        motion="pose delta",
        rotation="none",
        frame="base",
        gripper="none",
    ),
)
# ManiSkill2 (Gu et al. 2023): Panda in simulation at 20 Hz; the quaternion of its tool is w, x, y, z.
MANISKILL = arm(
    "panda-maniskill",
    15,
    {"image": "primary", "wrist_image": "wrist"},
    (*XYZ, "qw", *QUATERNION[:3], "opening"),
    ("m", "m", "m", "1", "1", "1", "1", "m"),
    20.0,
    rotation="axis-angle",
    action_units=(*["0.1 m"] * 3, *["0.1 rad"] * 3, "1"),
)
# LIBERO (Liu et al. 2023): Panda in robosuite's OSC at 20 Hz, as robomimic's but for the state's rotation vector.
LIBERO = arm(
    "panda-libero",
    16,
    {"agentview_rgb": "primary", "eye_in_hand_rgb": "wrist"},
    (*XYZ, "rx", "ry", "rz", "finger 0", "finger 1"),
    ("m", "m", "m", "rad", "rad", "rad", "m", "m"),
    20.0,
    "-1 open 1 closed",
    "axis-angle",
    action_units=(*["0.05 m"] * 3, *["0.5 rad"] * 3, "1"),
)
ROBOTS = (
    WIDOWX,
    WIDOWX_RAW,
    CALVIN,
    GOOGLE_ROBOT,
    TACO,
    JACO,
    UR5,
    BCZ,
    FANUC,
    STRETCH,
    ROBOMIMIC,
    ALOHA,
    DROID,
    KUKA,
    LANGUAGE_TABLE,
    MANISKILL,
    LIBERO,
)


def robot_named(name: str) -> Embodiment:
    """A robot of the table above or of another package.

    Raises ConfigError listing the robots for an unknown name, or naming the package whose robot cannot be used.
    """
    built_in = {robot.name: robot for robot in ROBOTS}
    robot = plugins.find(GROUP, name, Embodiment, built_in)
    if robot is None:
        there = ", ".join([*built_in, *plugins.entries(GROUP)])
        raise ConfigError(
            f"no robot {name!r}; choose from {there}, or add an Embodiment under the entry point {GROUP!r} of a package"
        )
    if robot.name != name or not 0 <= robot.slot < ROBOT_SLOTS:
        raise ConfigError(
            f"{GROUP}, {name}: the Embodiment calls itself {robot.name!r} with slot {robot.slot}; it must have the "
            f"entry point's name and a slot of 0 to {ROBOT_SLOTS - 1}"
        )
    check(robot)
    return robot
