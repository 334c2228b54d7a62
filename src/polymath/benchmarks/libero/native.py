"""Demonstrations in LIBERO's own layout, which its loaders (robomimic's) and `RobomimicEpisodes` read.

    OUT/<suite>/<task>_demo.hdf5
      data                attributes: problem_info, bddl_file_name, env_name, env_args, num_demos, total …
      data/demo_0         attributes: num_samples, init_state, polymath_initial, polymath_seed …
        actions           float64 [T, 7]
        states            float64 [T, n], MjSimState.flatten: time, qpos, qvel
        robot_states      float64 [T, 9]: fingers, position and quaternion of the end effector
        rewards, dones    uint8 [T], 1 at the last step
        polymath_places   float64 [T, n, 3], metres: where the attribute polymath_place_names' objects and fixtures are
        obs/…             agentview_rgb, eye_in_hand_rgb (upside down, as robosuite renders), ee_states, ee_pos, ee_ori,
                          gripper_states, joint_states

LIBERO's files also hold each demonstration's model as XML (`model_file`), with the poses of its fixtures. Here these
are at the end of `polymath_initial`, the start that the worker's `reset_to` takes. polymath_goal names what the task
moves and where it goes, polymath_camera [3, 4] projects a point into agentview; `captions` is made of these.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from polymath.benchmarks.libero.benchmark import TASKS
from polymath.data.files.whole_writer import WholeDirectoryWriter
from polymath.errors import ConfigError, DataError
from polymath.types import Episode

ROWS = ("states", "robot_states", "joint_states", "places")
BDDL = "bddl"
ATTRIBUTES = ("place_names", "goal", "agentview")
SUITE_OF = {task: suite for suite, tasks in TASKS.items() for task in tasks}


class LiberoWriter(WholeDirectoryWriter):
    """`with LiberoWriter(out) as writer: writer.add(episode, extras)`: the directory appears whole, or not at all.

    `extras` has ROWS, one row a step, BDDL, the task's file as uint8, and ATTRIBUTES. `turned` says that the episodes'
    pictures are turned by 180 degrees, which is undone. Raises ConfigError where h5py is missing.
    """

    def __init__(self, out: Path, turned: bool = True) -> None:
        try:
            import h5py  # noqa: F401
        except ImportError:
            raise ConfigError(f"{out}: HDF5 needs h5py; install polymath-v[data]") from None
        super().__init__(out)
        self._turned = turned
        self._files: dict[str, Any] = {}

    def add(self, episode: Episode, extras: Mapping[str, np.ndarray]) -> None:
        """Append one episode to its task's file. Raises DataError where `extras` lack an array or rows."""
        steps = len(episode.actions)
        for name in ROWS:
            if name not in extras or len(extras[name]) != steps:
                raise DataError(f"{episode.task}: the worker sent no {name} of {steps} rows; set it up anew")
        for name in (BDDL, *ATTRIBUTES):
            if name not in extras:
                raise DataError(f"{episode.task}: the worker sent no {name}; set it up anew")
        data = self._file_of(episode, bytes(extras[BDDL]).decode())
        demo = data.create_group(f"demo_{data.attrs['num_demos']}")
        demo.attrs["num_samples"] = steps
        demo.attrs["init_state"] = extras["states"][0]
        demo.attrs["polymath_initial"] = json.loads(str(episode.metadata["initial"]))
        demo.attrs["polymath_seed"] = episode.metadata["seed"]
        demo.attrs["polymath_action_noise"] = episode.metadata["action_noise"]
        demo.attrs["polymath_place_names"] = bytes(extras["place_names"]).decode()
        demo.attrs["polymath_goal"] = bytes(extras["goal"]).decode()
        demo.attrs["polymath_camera"] = extras["agentview"]
        for name, values in self._arrays(episode, extras).items():
            pictures = values.ndim == 4
            demo.create_dataset(
                name, data=values, **({"compression": "gzip", "compression_opts": 4} if pictures else {})
            )
        data.attrs["num_demos"] += 1
        data.attrs["total"] += steps

    def close(self) -> None:
        """Close the files, then give the directory its name. Raises DataError if it is empty."""
        with self._stack:
            if not self._files:
                raise DataError("no episode was recorded; nothing was written")

    def _arrays(self, episode: Episode, extras: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        last = np.zeros(len(episode.actions), np.uint8)
        last[-1] = 1
        step = -1 if self._turned else 1
        return {
            "actions": episode.actions.astype(np.float64),
            "states": extras["states"],
            "robot_states": extras["robot_states"],
            "polymath_places": extras["places"],
            "rewards": last,
            "dones": last,
            "obs/ee_states": episode.states[:, :6].astype(np.float64),
            "obs/ee_pos": episode.states[:, :3].astype(np.float64),
            "obs/ee_ori": episode.states[:, 3:6].astype(np.float64),
            "obs/gripper_states": episode.states[:, 6:].astype(np.float64),
            "obs/joint_states": extras["joint_states"],
            **{f"obs/{camera}": images[:, ::step, ::step] for camera, images in episode.images.items()},
        }

    def _file_of(self, episode: Episode, bddl: str) -> Any:
        """The task's group `data`; a new file for its first episode."""
        import h5py

        if episode.task not in self._files:
            suite = SUITE_OF.get(episode.task, "libero")
            path = self._root / suite / f"{episode.task}_demo.hdf5"
            path.parent.mkdir(exist_ok=True)
            data = self._stack.enter_context(h5py.File(path, "w")).create_group("data")
            data.attrs.update(file_attributes(episode, suite, bddl))
            self._files[episode.task] = data
        return self._files[episode.task]


def file_attributes(episode: Episode, suite: str, bddl: str) -> dict[str, Any]:
    """What LIBERO's `create_dataset.py` writes for a whole file. Raises DataError for a BDDL file without a problem."""
    name = re.search(r"\(problem\s+(\w+)\s*\)", bddl)
    if name is None:
        raise DataError(f"{episode.task}: its BDDL file names no problem; set the simulator up anew")
    problem = name[1].lower()
    file = f"libero/libero/bddl_files/{suite}/{episode.task}.bddl"
    size = int(next(iter(episode.images.values())).shape[1])
    arguments = {
        "robots": ["Panda"],
        "controller_configs": {"type": "OSC_POSE", "control_delta": True},
        "bddl_file_name": file,
        "camera_names": ["robot0_eye_in_hand", "agentview"],
        "camera_heights": size,
        "camera_widths": size,
        "control_freq": 20,
        "use_camera_obs": True,
        "reward_shaping": False,
    }
    environment = {"type": 1, "env_name": name[1], "problem_name": problem, "bddl_file": file, "env_kwargs": arguments}
    words = {"problem_name": problem, "domain_name": "robosuite", "language_instruction": episode.instruction}
    return {
        "env_name": name[1],
        "env_args": json.dumps(environment),
        "problem_info": json.dumps(words),
        "bddl_file_name": file,
        "bddl_file_content": bddl,
        "macros_image_convention": "opengl",
        "tag": "libero-v1",
        "num_demos": 0,
        "total": 0,
        "polymath": "own demonstrations, by scripted experts; not LIBERO's published ones",
    }
