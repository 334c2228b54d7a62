"""Where everything is in a scene: what a recording keeps so that captions and questions can be made of its frames."""

from typing import List

import numpy as np

from .experts_scene import Scene


class Places:
    """`names` of the objects and fixtures, as in the task's BDDL; `goal`: what is to be moved, and where it is to go.

    A goal that names a region, as the inside of the basket, is at the object or fixture that the region belongs to; a
    place on the table is at the table, which is not among the names.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.names: List[str] = [*scene.objects, *scene.fixtures]
        moved, destination = scene.goal()[0][1:3]
        self.goal = [moved, scene.parent(destination) if scene.is_site(destination) else destination]

    def now(self) -> np.ndarray:
        """float64 [n, 3]: the position of each of `names` in the world, metres."""
        return np.stack([self._scene.pose(name)[0] for name in self.names])

    def camera(self, name: str) -> np.ndarray:
        """float64 [3, 4]: takes a world point (x, y, z, 1) to (u, v, w); u / w and v / w are column and row.

        Both run from -1 (left, top) to 1 in the upright picture that is not mirrored. MuJoCo's cameras look along -z of
        their own frame, y is up, and `fovy` is the vertical field of view; the pictures are square.
        """
        model, data = self._scene.model, self._scene.data
        camera = model.camera(name).id
        rotation = data.cam_xmat[camera].reshape(3, 3).T
        local = np.concatenate([rotation, -rotation @ data.cam_xpos[camera][:, None]], axis=1)
        focal = 1.0 / np.tan(np.radians(model.cam_fovy[camera]) / 2.0)
        return np.stack([focal * local[0], -focal * local[1], -local[2]])
