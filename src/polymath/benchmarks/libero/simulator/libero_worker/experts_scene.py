"""What the experts know of a LIBERO simulation and no policy does: poses, collision geometry, the goal."""

from typing import Any, Dict, List, Tuple

import numpy as np

from .experts_geometry import local_points

GRIP_SITE = "gripper0_grip_site"
FINGERS = ("gripper0_finger_joint1", "gripper0_finger_joint2")


class Scene:
    """Read access to the robosuite environment inside LIBERO's `ControlEnv`.

    Names are the BDDL's: objects, fixtures and sites (regions).
    """

    def __init__(self, control: Any) -> None:
        self.env = control.env
        self.model, self.data = self.env.sim.model._model, self.env.sim.data._data
        self.objects: List[str] = list(self.env.objects_dict)
        self.fixtures: List[str] = list(self.env.fixtures_dict)
        self._geoms: Dict[str, List[int]] = {}
        self._local: Dict[int, np.ndarray] = {}

    def goal(self) -> List[List[str]]:
        """The conjunction of predicates that is success, e.g. [["on", "akita_black_bowl_1", "plate_1"]]."""
        return [list(predicate) for predicate in self.env.parsed_problem["goal_state"]]

    def succeeded(self) -> bool:
        return bool(self.env._check_success())

    def holds(self, predicate: List[str]) -> bool:
        """Whether one predicate of the goal is true now."""
        return bool(self.env._eval_predicate(predicate))

    def hand(self) -> Tuple[np.ndarray, np.ndarray]:
        """Position [3] and rotation [3, 3] of the grip site: x the closing direction, z the approach."""
        site = self.model.site(GRIP_SITE).id
        return self.data.site_xpos[site].copy(), self.data.site_xmat[site].reshape(3, 3).copy()

    def base(self) -> np.ndarray:
        """The position [3] of the arm's base."""
        position: np.ndarray = self.data.body("robot0_base").xpos.copy()
        return position

    def opening(self) -> float:
        """The distance between the fingers, 0 to 0.08 m."""
        return float(sum(abs(self.data.joint(name).qpos[0]) for name in FINGERS))

    def closing_speed(self) -> float:
        """The faster finger's speed, m/s."""
        return float(max(abs(self.data.joint(name).qvel[0]) for name in FINGERS))

    def pose(self, name: str) -> Tuple[np.ndarray, np.ndarray]:
        """Position [3] and rotation [3, 3] of an object's or fixture's root body."""
        body = self.env.obj_body_id[name]
        return self.data.xpos[body].copy(), self.data.xmat[body].reshape(3, 3).copy()

    def site(self, name: str) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Position [3], rotation [3, 3] and half size [3] of a region."""
        site = self.model.site(name).id
        return (
            self.data.site_xpos[site].copy(),
            self.data.site_xmat[site].reshape(3, 3).copy(),
            np.asarray(self.env.object_sites_dict[name].size, dtype=np.float64),
        )

    def is_site(self, name: str) -> bool:
        return name in self.env.object_sites_dict

    def parent(self, site: str) -> str:
        """The object or fixture that a region belongs to; the table's name for a place on the table."""
        return str(self.env.object_sites_dict[site].parent_name)

    def points(self, name: str) -> np.ndarray:
        """Points [N, 3] on the collision geometry of an object or fixture where it is now."""
        parts = []
        for geom in self._solid(name):
            if geom not in self._local:
                self._local[geom] = local_points(self.model, geom)
            parts.append(self._local[geom] @ self.data.geom_xmat[geom].reshape(3, 3).T + self.data.geom_xpos[geom])
        return np.concatenate(parts) if parts else np.zeros((0, 3))

    def obstacles(self, *without: str) -> np.ndarray:
        """Points [N, 3] on every other object and fixture."""
        parts = [self.points(name) for name in (*self.objects, *self.fixtures) if name not in without]
        parts = [part for part in parts if len(part)]
        return np.concatenate(parts) if parts else np.zeros((0, 3))

    def _solid(self, name: str) -> List[int]:
        if name not in self._geoms:
            root = int(self.env.obj_body_id.get(name, -1))
            model = self.model
            bodies = {root}
            for body in range(root + 1, model.nbody):
                if int(model.body_parentid[body]) in bodies:
                    bodies.add(body)
            self._geoms[name] = [
                geom
                for geom in range(model.ngeom)
                if int(model.geom_bodyid[geom]) in bodies and (model.geom_contype[geom] or model.geom_conaffinity[geom])
            ]
        return self._geoms[name]
