"""Which fields of an RLDS data set become cameras, state, action and instruction: one plain table a data set.

Source: Octo's standardisation (octo/data/oxe/oxe_dataset_configs.py and oxe_standardization_transforms.py), except that
grippers are -1 closed, 1 open here. A data set that is not in the table is read as it is, see `schema.generic`. Other
packages add maps under the entry point `polymath.field_maps`, by the name of their data set.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from polymath import plugins
from polymath.data.robots import embodiments as robots
from polymath.data.robots.conversions import relative_to_absolute, settled
from polymath.errors import ConfigError
from polymath.types import Embodiment

GROUP = "polymath.field_maps"
REMEDY = f"write a FieldMap and add it under the entry point {GROUP!r}, or give it as RldsEpisodes(…, fields=…)"
Convert = Callable[[np.ndarray], np.ndarray]  # [T, k] -> [T, k]


def as_is(values: np.ndarray) -> np.ndarray:
    return values


def opening(values: np.ndarray) -> np.ndarray:
    """Opening in [0, 1] -> -1 closed, 1 open."""
    return 2 * np.clip(values, 0, 1) - 1


def closing(values: np.ndarray) -> np.ndarray:
    """0 open, 1 closed -> -1 closed, 1 open."""
    return 1 - 2 * np.clip(values, 0, 1)


def settled_opening(values: np.ndarray) -> np.ndarray:
    return opening(settled(values[:, 0])[:, None])


def commanded(values: np.ndarray) -> np.ndarray:
    """+1 close, -1 open, 0 as before -> -1 closed, 1 open."""
    return opening(relative_to_absolute(values[:, 0])[:, None])


@dataclass(frozen=True)
class Part:
    """Columns [start, stop) of a field below `steps/`, converted."""

    field: str
    start: int = 0
    stop: int | None = None
    convert: Convert = as_is

    def of(self, values: np.ndarray) -> np.ndarray:
        flat = values.reshape(len(values), -1).astype(np.float32)
        return self.convert(flat[:, self.start : self.stop])


@dataclass(frozen=True)
class FieldMap:
    """`images` in the order of the robot's cameras. `relabelled`: how many leading actions become the differences of
    the leading states; the last step is dropped. `skipped`: how many first steps, which command nothing, are dropped.
    """

    robot: Embodiment
    images: tuple[str, ...]
    state: tuple[Part, ...]
    action: tuple[Part, ...]
    instruction: str
    relabelled: int = 0
    skipped: int = 0


OBSERVED_LANGUAGE = "observation/natural_language_instruction"
WORLD = (Part("action/world_vector"), Part("action/rotation_delta"))

FIELD_MAPS: dict[str, FieldMap] = {
    "bridge_dataset": FieldMap(
        robots.WIDOWX,
        ("observation/image_0", "observation/image_1"),
        (Part("observation/state"),),
        (Part("action", 0, 6), Part("action", 6, 7, settled_opening)),
        "language_instruction",
        relabelled=6,
    ),
    "bridge": FieldMap(  # the subset inside Open X-Embodiment
        robots.arm("widowx-oxe", 1, {"image": "primary"}, robots.POSE_GRIPPER, robots.POSE_GRIPPER_UNITS, 5.0),
        ("observation/image",),
        (Part("observation/state"),),
        (*WORLD, Part("action/open_gripper", convert=opening)),
        OBSERVED_LANGUAGE,
        relabelled=6,
        skipped=1,
    ),
    "fractal20220817_data": FieldMap(
        robots.GOOGLE_ROBOT,
        ("observation/image",),
        (Part("observation/base_pose_tool_reached"), Part("observation/gripper_closed")),
        (*WORLD, Part("action/gripper_closedness_action", convert=commanded)),
        OBSERVED_LANGUAGE,
    ),
    "taco_play": FieldMap(
        robots.TACO,
        ("observation/rgb_static", "observation/rgb_gripper"),
        (Part("observation/robot_obs", 0, 6), Part("observation/robot_obs", 7, 8)),
        (Part("action/rel_actions_world", 0, 6), Part("action/rel_actions_world", 6, 7, opening)),
        OBSERVED_LANGUAGE,
    ),
    "jaco_play": FieldMap(
        robots.JACO,
        ("observation/image", "observation/image_wrist"),
        (Part("observation/end_effector_cartesian_pos", 0, 6), Part("observation/end_effector_cartesian_pos", -1)),
        (
            Part("action/world_vector"),
            Part("action/world_vector", convert=np.zeros_like),
            Part("action/gripper_closedness_action", convert=commanded),
        ),
        OBSERVED_LANGUAGE,
    ),
    "berkeley_autolab_ur5": FieldMap(
        robots.UR5,
        ("observation/image", "observation/hand_image"),
        (Part("observation/robot_state", 6, 14),),
        (*WORLD, Part("action/gripper_closedness_action", convert=commanded)),
        OBSERVED_LANGUAGE,
    ),
    "bc_z": FieldMap(
        robots.BCZ,
        ("observation/image",),
        (
            Part("observation/present/xyz"),
            Part("observation/present/axis_angle"),
            Part("observation/present/sensed_close"),
        ),
        (
            Part("action/future/xyz_residual", 0, 3),
            Part("action/future/axis_angle_residual", 0, 3),
            Part("action/future/target_close", 0, 1, closing),
        ),
        OBSERVED_LANGUAGE,
    ),
    "berkeley_fanuc_manipulation": FieldMap(
        robots.FANUC,
        ("observation/image", "observation/wrist_image"),
        (Part("observation/state", 0, 7),),
        (Part("action", 0, 6), Part("observation/state", 6, 7, closing)),  # commands of the gripper were not kept
        "language_instruction",
    ),
    "cmu_stretch": FieldMap(
        robots.STRETCH,
        ("observation/image",),
        (Part("observation/state", 0, 3), Part("observation/state", -1)),
        (Part("action", 0, 6), Part("action", 6, 7, opening)),
        "language_instruction",
    ),
    "kuka": FieldMap(
        robots.KUKA,
        ("observation/image",),
        (Part("observation/clip_function_input/base_pose_tool_reached"), Part("observation/gripper_closed")),
        (*WORLD, Part("action/gripper_closedness_action", convert=commanded)),
        OBSERVED_LANGUAGE,
    ),
    "language_table": FieldMap(
        robots.LANGUAGE_TABLE,
        ("observation/rgb",),
        (Part("observation/effector_translation"),),
        (Part("action"),),
        "observation/instruction",
    ),
    "maniskill_dataset_converted_externally_to_rlds": FieldMap(
        robots.MANISKILL,
        ("observation/image", "observation/wrist_image"),
        (Part("observation/tcp_pose"), Part("observation/state", 7, 8)),
        (Part("action"),),
        "language_instruction",
    ),
    "droid": FieldMap(
        robots.DROID,
        ("observation/exterior_image_1_left", "observation/wrist_image_left"),
        (Part("observation/joint_position"), Part("observation/gripper_position")),
        (Part("action_dict/joint_position"), Part("action_dict/gripper_position", convert=closing)),
        "language_instruction",
    ),
}


def field_map(dataset: str) -> FieldMap | None:
    """Of the table or of another package; None if neither knows the data set.

    Raises ConfigError naming the package whose map cannot be used.
    """
    return plugins.find(GROUP, dataset, FieldMap, FIELD_MAPS)


def field_map_named(name: str) -> FieldMap:
    """As it stands in `rlds:PLACE?map=NAME`. Raises ConfigError listing the maps for an unknown name."""
    chosen = field_map(name)
    if chosen is None:
        there = ", ".join([*FIELD_MAPS, *plugins.entries(GROUP)])
        raise ConfigError(f"map: no FieldMap {name!r}; choose from {there}, or {REMEDY}")
    return chosen
