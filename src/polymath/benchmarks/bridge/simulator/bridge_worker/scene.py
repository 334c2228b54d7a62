"""The official environments, with stand-ins for meshes that a checkout lacks; pictures only where they are asked for.

Two meshes of the official data are larger than some hosts of repositories let through:

    table      seen by no camera in visual matching, where a photograph replaces all that is neither robot nor object.
               The stand-in is a box whose top is at the height that the environments have for the table.
    eggplant   its visual mesh. The stand-in is its collision mesh, painted: another picture than SIMPLER's.
"""

import os
import subprocess
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, Dict, Iterator

import gymnasium
import mani_skill2_real2sim.envs  # noqa: F401 - registers the environments
import numpy as np
import sapien.core as sapien
from mani_skill2_real2sim import ASSET_DIR, PACKAGE_DIR
from mani_skill2_real2sim.envs.custom_scenes.base_env import CustomOtherObjectsInSceneEnv, CustomSceneEnv

from . import camera
from .tasks import TASKS

MAIN_SEED = 2022
"""With which an environment initialises itself when it is made (mani_skill2_real2sim/envs/sapien_env.py)."""

CAMERA = "3rd_view_camera"
HALF_SIZE = (0.6, 0.6, 0.05)
CENTRE = (-0.2, 0.0)
"""Metres, of the stand-in table, x and y in the world; the objects stand around (-0.16, 0)."""

PURPLE = (0.12, 0.02, 0.12, 1.0)


def make(task: str, half_size: bool) -> Any:
    """The task's environment as SIMPLER's visual matching sets it up, without gymnasium's wrappers.

    half_size: the camera draws 320 x 240 pixels of the same view, from the next reconfiguring reset on.
    """
    wrapped: Any = gymnasium.make(TASKS[task].environment, obs_mode="rgbd", prepackaged_config=True)
    environment = wrapped.unwrapped
    environment._obs_mode = "none"
    if half_size:
        view = environment._camera_cfgs[CAMERA]
        view.width, view.height, view.intrinsic = camera.halved(view.width, view.height, view.intrinsic)
        del environment._camera_cfgs["base_camera"]  # which no picture is taken from
    return environment


def camera_matrix(environment: Any) -> np.ndarray:
    """float64 [3, 4]: a point x, y, z, 1 [m] in the robot's base frame -> the picture, see `camera.projection`."""
    view = environment._cameras[CAMERA]
    parameters = view.get_params()
    from_base = parameters["extrinsic_cv"] @ environment.agent.robot.pose.to_transformation_matrix()
    return camera.projection(view.camera.width, view.camera.height, parameters["intrinsic_cv"], from_base)


@contextmanager
def pictures(environment: Any) -> Iterator[None]:
    """Within, the environment renders its observations."""
    environment._obs_mode = "image"
    try:
        yield
    finally:
        environment._obs_mode = "none"


def begin(environment: Any, options: Dict[str, Any]) -> None:
    """Start an episode as a newly made environment does, so that it depends on nothing that was played before."""
    environment.reset(seed=MAIN_SEED, options={"reconfigure": True})
    environment.reset(options=options)


def colours(environment: Any) -> np.ndarray:
    """What the camera sees, with the photograph behind: uint8 [480, 640, 3]."""
    with pictures(environment):
        rgba = environment.get_obs()["image"][CAMERA]["Color"]
    return np.clip(rgba[..., :3] * 255, 0, 255).astype(np.uint8)  # as RGBDObservationWrapper has it


def _table_mesh(table: str) -> str:
    return os.path.join(str(ASSET_DIR), "hab2_bench_assets", "stages", table + ".glb")


def eggplant_mesh() -> str:
    return os.path.join(str(ASSET_DIR), "custom", "models", "eggplant", "textured.dae")


def has_eggplant() -> bool:
    return os.path.isfile(eggplant_mesh())


def identity(eggplant_stand_in: bool, half_size: bool) -> Dict[str, str]:
    """What two comparable results must share: versions, conventions and what was replaced."""
    tables = sorted({task.table for task in TASKS.values()})
    missing = [table for table in tables if not os.path.isfile(_table_mesh(table))]
    stand_ins = [f"box with its top at 0.870 m for {table}.glb" for table in missing]
    if eggplant_stand_in and not has_eggplant():
        stand_ins.append("painted collision mesh for the eggplant")
    return {
        "sapien": version("sapien"),
        "ManiSkill2_real2sim": _commit(str(PACKAGE_DIR)),
        "actions": "xyz [m], rpy [rad] in the base frame, deltas on the last target; gripper -1 closed 1 open",
        "pictures": ("320x240" if half_size else "640x480")
        + " squeezed to 256x256 (Lanczos), then to the size asked (bilinear)",
        "stand-ins": "; ".join(stand_ins) or "none",
    }


def use_stand_ins() -> None:
    """Let environments that are made from now on do without the missing meshes. To be called once."""
    official_arena = CustomSceneEnv._load_arena_helper
    models = os.path.join(str(ASSET_DIR), "custom")
    official_actor = CustomOtherObjectsInSceneEnv._build_actor_helper

    def arena(self: Any, add_collision: bool = True) -> None:
        if os.path.isfile(os.path.join(str(self.scene_root), "stages", str(self.scene_name) + ".glb")):
            official_arena(self, add_collision)
            return
        builder = self._scene.create_actor_builder()
        pose = sapien.Pose([*CENTRE, self.scene_table_height - HALF_SIZE[2]])
        if add_collision:
            builder.add_box_collision(pose=pose, half_size=HALF_SIZE)
        builder.add_box_visual(pose=pose, half_size=HALF_SIZE)
        self.arena = builder.build_static(name="arena")

    def actor(
        model_id: str,
        scene: Any,
        scale: float = 1.0,
        physical_material: Any = None,
        density: float = 1000.0,
        root_dir: Any = models,
    ) -> Any:
        if model_id != "eggplant" or os.path.isfile(eggplant_mesh()):
            return official_actor(model_id, scene, scale, physical_material, density, root_dir)
        mesh = os.path.join(str(root_dir), "models", model_id, "collision.obj")
        builder = scene.create_actor_builder()
        sizes = [scale] * 3
        builder.add_multiple_collisions_from_file(
            filename=mesh, scale=sizes, material=physical_material, density=density
        )
        builder.add_visual_from_file(filename=mesh, scale=sizes, material=_painted())
        return builder.build()

    CustomSceneEnv._load_arena_helper = arena
    CustomOtherObjectsInSceneEnv._build_actor_helper = staticmethod(actor)


def _painted() -> Any:
    material = sapien.Engine().get_renderer().create_material()
    material.base_color = PURPLE
    return material


def _commit(folder: str) -> str:
    """The commit of the checkout that holds `folder`; "unknown" for a copy without its history."""
    command = ["git", "-c", "safe.directory=*", "-C", folder, "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
