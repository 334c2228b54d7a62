"""What a scripted expert may know: one snapshot of CALVIN's robot, furniture and blocks, read from a `PlayTableSimEnv`.

Positions are metres in the world frame, angles radians; furniture joints are those of `scene_obs`.
"""

from dataclasses import dataclass
from typing import Any, Dict, FrozenSet, Tuple

import numpy as np

ROBOT = "robot"
TABLE, PLANK, DRAWER = "base_link", "plank_link", "drawer_link"
COLOURS = ("red", "blue", "pink")


@dataclass(frozen=True)
class Block:
    """A block's centre [3], quaternion xyzw [4], edges [3], and what it touches: "robot", a block's colour, a link."""

    position: np.ndarray
    quaternion: np.ndarray
    edges: np.ndarray
    touches: FrozenSet[str]

    @property
    def rests_on(self) -> str:
        """The furniture link that carries it, or "" in the air and on another block."""
        for link in (DRAWER, PLANK, TABLE):
            if link in self.touches:
                return link
        return ""

    def footprint(self) -> Tuple[float, float, float, float]:
        """(yaw of the longer horizontal edge, its length, the shorter one, the height), whichever face is below."""
        axes = rotation_matrix(self.quaternion)
        up = int(np.argmax(np.abs(axes[2])))
        longer, shorter = sorted((i for i in range(3) if i != up), key=lambda i: -self.edges[i])
        yaw = float(np.arctan2(axes[1, longer], axes[0, longer]))
        return yaw, float(self.edges[longer]), float(self.edges[shorter]), float(self.edges[up])


@dataclass(frozen=True)
class Places:
    """World origins of links [3] at rest of their joints, which differ from scene to scene."""

    button: np.ndarray
    switch: np.ndarray
    slider: np.ndarray
    drawer: np.ndarray
    plank: np.ndarray


@dataclass(frozen=True)
class State:
    """The arm and all that it can touch.

    tcp, euler              measured tool pose [3], [3]
    target, target_euler    pose that relative actions are added to
    opening                 metres between the fingers
    gripper                 last commanded, 1.0 open or -1.0 closed
    touched                 colours that the robot touches
    slider, drawer, switch  joints: 0 right to 0.28 left, 0 closed to 0.22 open, 0 off to 0.088 on
    """

    tcp: np.ndarray
    euler: np.ndarray
    target: np.ndarray
    target_euler: np.ndarray
    opening: float
    gripper: float
    touched: FrozenSet[str]
    slider: float
    drawer: float
    switch: float
    lightbulb: bool
    led: bool
    places: Places
    blocks: Dict[str, Block]

    @property
    def held(self) -> str:
        """The colour between the closed fingers, or ""."""
        for colour in sorted(self.touched):
            near = np.linalg.norm(self.blocks[colour].position - self.tcp) < 0.06
            if near and self.gripper < 0 and self.opening > 0.01 and not self.blocks[colour].rests_on:
                return colour
        return ""


class StateReader:
    """Reads a `State` from the environment; what never changes is read once."""

    def __init__(self, env: Any) -> None:
        self._env, self._p = env, env.p
        self._table = env.scene.fixed_objects[0].uid
        self._robot = env.robot.robot_uid
        joints = range(self._p.getNumJoints(self._table, physicsClientId=env.cid))
        self._links = {self._p.getJointInfo(self._table, i, physicsClientId=env.cid)[12].decode(): i for i in joints}
        self._names = {(self._table, i): name for name, i in self._links.items()}
        self._names[(self._table, -1)] = TABLE
        self._blocks = {block.name.replace("block_", ""): block.uid for block in env.scene.movable_objects}
        self._colours = {uid: colour for colour, uid in self._blocks.items()}
        self._edges = {
            colour: np.array(self._p.getVisualShapeData(uid, physicsClientId=env.cid)[0][3])
            for colour, uid in self._blocks.items()
        }

        slider, drawer = (door.get_state() for door in env.scene.doors)
        self._places = Places(
            button=self._origin("button_link", np.zeros(3)),
            switch=self._origin("switch_link", env.scene.switches[0].get_state() * SWITCH_AXIS),
            slider=self._origin("slide_link", np.array([-slider, 0.0, 0.0])),
            drawer=self._origin(DRAWER, np.array([0.0, -drawer, 0.0])),
            plank=self._origin(PLANK, np.zeros(3)),
        )

    def read(self) -> State:
        robot = self._env.robot
        observation, _ = robot.get_observation()
        slider, drawer = (door.get_state() for door in self._env.scene.doors)
        lightbulb, led = (bool(light.get_state()) for light in self._env.scene.lights)
        touched = {self._colours.get(contact[2], "") for contact in self._contacts(self._robot)}
        return State(
            tcp=observation[:3],
            euler=observation[3:6],
            target=np.array(robot.target_pos),
            target_euler=np.array(robot.target_orn),
            opening=float(observation[6]),
            gripper=float(observation[14]),
            touched=frozenset(touched - {""}),
            slider=slider,
            drawer=drawer,
            switch=self._env.scene.switches[0].get_state(),
            lightbulb=lightbulb,
            led=led,
            places=self._places,
            blocks={colour: self._block(colour, uid) for colour, uid in self._blocks.items()},
        )

    def _origin(self, link: str, moved: np.ndarray) -> np.ndarray:
        state = self._p.getLinkState(
            self._table, self._links[link], computeForwardKinematics=True, physicsClientId=self._env.cid
        )
        return np.array(state[4]) - moved

    def _block(self, colour: str, uid: int) -> Block:
        position, quaternion = self._p.getBasePositionAndOrientation(uid, physicsClientId=self._env.cid)
        touches = {self._name(contact[2], contact[4]) for contact in self._contacts(uid)}
        return Block(np.array(position), np.array(quaternion), self._edges[colour], frozenset(touches))

    def _name(self, body: int, link: int) -> str:
        if body == self._robot:
            return ROBOT
        return self._colours.get(body) or self._names.get((body, link), "floor")

    def _contacts(self, body: int) -> Any:
        return self._p.getContactPoints(bodyA=body, physicsClientId=self._env.cid)


SWITCH_AXIS = np.array([0.0, 0.5, np.sqrt(0.75)])
"""Direction in which the switch's joint grows: (0, 0, -1) turned by 150 degrees about x, in all four scenes."""


def rotation_matrix(quaternion: np.ndarray) -> np.ndarray:
    """Columns are the body's axes in the world, from a quaternion x, y, z, w of length 1."""
    x, y, z, w = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
