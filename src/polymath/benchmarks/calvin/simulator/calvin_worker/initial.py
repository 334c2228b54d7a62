"""Initial states of CALVIN's chains: from what stands where to the numbers that the official reset takes.

Symbolic state (Mees et al. 2022, `calvin_agent.evaluation.utils.get_env_state_for_initial_condition`):

    led, lightbulb     0 or 1                       slider     right or left        drawer   closed or open
    red, blue, pink    table, slider_right or slider_left (the two shelves behind the sliding door)

scene_obs, float64 [24]: joints of slider, drawer, button and switch (m, m, m, rad), lightbulb and led (0 or 1), then
x y z (m) and roll pitch yaw (rad) of each block in the order of the scene's file. The official function writes red,
blue, pink, which is the order of scene D; here it is the order of the scene at hand, so that each block stands where
the symbolic state has it.
"""

from typing import Dict, NamedTuple, Sequence

import numpy as np

FNV_PRIME = 0x01000193
BLOCKS = ("block_red", "block_blue", "block_pink")
YAW = (np.pi / 2 - np.pi / 8, np.pi / 2 + np.pi / 8)
SHELF_YZ = (9.24044687e-02, 4.60990009e-01)
TABLE_SLOTS = ((5.00000896e-02, -1.20000177e-01, 4.59990009e-01), (2.29995412e-01, -1.19995140e-01, 4.59990010e-01))
LEFT_X, RIGHT_X = -2.40851662e-01, 7.03416330e-02
ROBOT = (
    *(0.02586889, -0.2313129, 0.5712808, 3.09045411, -0.02908596, 1.50013585, 0.07999963),
    *(-1.21779124, 1.03987629, 2.11978254, -2.34205014, -0.87015899, 1.64119093, 0.55344928, 1.0),
)


class Layout(NamedTuple):
    """How a scene's furniture differs from that of scene D, along x.

    shelf    shift of the two shelves behind the door: of the door's joint in the scene's URDF (m)
    table    shift of the two slots on the table, so that none is under the button (m)
    slider   the door's joint where it is left: its upper limit (m)
    """

    shelf: float
    table: float
    slider: float


# Official chains are of scene D alone; for A, B and C the layouts are this project's.
LAYOUTS: Dict[str, Layout] = {
    "A": Layout(-0.013, 0.0, 0.28),
    "B": Layout(0.228, -0.25, 0.304),
    "C": Layout(0.188, 0.0, 0.24),
    "D": Layout(0.0, 0.0, 0.28),
}


class Symbolic(NamedTuple):
    """What stands where at the beginning of a chain; nothing is in the gripper."""

    led: int
    lightbulb: int
    slider: str
    drawer: str
    red: str
    blue: str
    pink: str

    def seed(self) -> int:
        """The seed of the table slots and yaws: FNV-1 of the text that Python prints for the official dict's values."""
        return fnv1_32(f"dict_values({[*self, 0]})")


def fnv1_32(text: str) -> int:
    """FNV-1 over the text in UTF-16, little-endian, beginning at 0: what `pyhash.fnv1_32()` computes of a str.

    The textbook's FNV-1 begins at 0x811c9dc5 and reads UTF-8; with it 557 of the 1,000 chains begin differently.
    """
    value = 0
    for byte in text.encode("utf-16-le"):
        value = (value * FNV_PRIME & 0xFFFFFFFF) ^ byte
    return value


def robot_obs() -> np.ndarray:
    """The arm at the beginning of every chain, float64 [15]."""
    return np.array(ROBOT)


def scene_obs(state: Symbolic, order: Sequence[str] = BLOCKS, scene: str = "D") -> np.ndarray:
    """The scene at the beginning of a chain, float64 [24]; `order` is that of the scene's movable objects."""
    layout = LAYOUTS[scene]
    random = np.random.RandomState(state.seed())
    slots = [np.array([x + layout.table, y, z]) for x, y, z in TABLE_SLOTS]
    random.shuffle(slots)
    shelves = {"slider_left": [LEFT_X + layout.shelf, *SHELF_YZ], "slider_right": [RIGHT_X + layout.shelf, *SHELF_YZ]}
    on_table = {"red": slots[0], "blue": slots[1 if state.red == "table" else 0], "pink": slots[1]}
    blocks = {}  # name -> x y z roll pitch yaw; the yaws are drawn in the order red, blue, pink
    for colour, slot in on_table.items():
        blocks["block_" + colour] = [*shelves.get(getattr(state, colour), slot), 0.0, 0.0, random.uniform(*YAW)]
    furniture = [
        layout.slider if state.slider == "left" else 0.0,
        0.22 if state.drawer == "open" else 0.0,
        0.0,
        0.088 if state.lightbulb else 0.0,
        float(state.lightbulb),
        float(state.led),
    ]
    return np.array([*furniture, *(number for name in order for number in blocks[name])])
