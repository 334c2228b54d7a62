"""The four WidowX tasks of SIMPLER's visual-matching setting.

Sources: simpler_env/__init__.py (names), mani_skill2_real2sim/envs/custom_scenes/put_on_in_scene.py (environments and
their 24 start states), scripts/octo_bridge.sh (60 control steps, 120 for the eggplant; episodes 0 to 23).
"""

from typing import Dict, NamedTuple

START_STATES = 24
CONTROL_HZ = 5.0


class Task(NamedTuple):
    """environment: its id in gymnasium; horizon: control steps of every episode; table: the mesh of its scene."""

    environment: str
    horizon: int
    table: str


TASKS: Dict[str, Task] = {
    "widowx_spoon_on_towel": Task("PutSpoonOnTableClothInScene-v0", 60, "bridge_table_1_v1"),
    "widowx_carrot_on_plate": Task("PutCarrotOnPlateInScene-v0", 60, "bridge_table_1_v1"),
    "widowx_stack_cube": Task("StackGreenCubeOnYellowCubeBakedTexInScene-v0", 60, "bridge_table_1_v1"),
    "widowx_put_eggplant_in_basket": Task("PutEggplantInBasketScene-v0", 120, "bridge_table_1_v2"),
}
EGGPLANT = "widowx_put_eggplant_in_basket"
