"""What the worker serves: a slot is one simulator; the slots of a process share the environments."""

import gc
from collections import OrderedDict
from typing import Any, Dict, Optional, Sequence, Tuple

import numpy as np

from polymath_worker import Demonstration, Observation, Outcome

from .experts_demonstrate import demonstrate
from .experts_starts import StartError
from .pictures import make_renderer
from .stage import ACTION_WIDTH, Stage
from .suites import find_problem

EMBODIMENT = "panda-libero"
CAMERAS = {"agentview_rgb": "agentview", "eye_in_hand_rgb": "robot0_eye_in_hand"}
"""Names of the data sets -> names of the model."""
SPARE = 1
"""Environments that a process keeps beside those in its slots: each holds 0.7 GB, and takes 1.5 s of CPU to build."""


class Stages:
    """Environments with their renderers, by task and split; the last SPARE that no slot uses are kept."""

    def __init__(self, renderer: str, image_size: int) -> None:
        self.renderer, self.image_size = renderer, image_size
        self._idle: OrderedDict[int, Tuple[Stage, Any]] = OrderedDict()  # least recently used first
        self._taken: Dict[int, Tuple[Stage, Any]] = {}

    def take(self, task: str, split: str) -> Tuple[Stage, Any]:
        """An environment of that task, for one slot, until it is given back. Raises ValueError as `find_problem`."""
        for key, (stage, renderer) in self._idle.items():
            if (stage.problem.task, stage.problem.split) == (task, split):
                self._taken[key] = self._idle.pop(key)
                return stage, renderer
        problem = find_problem(task, split)
        self._forget(SPARE - 1)
        stage = Stage(problem)
        self._taken[id(stage)] = stage, make_renderer(self.renderer, stage.model, self.image_size)
        return self._taken[id(stage)]

    def give_back(self, stage: Stage, renderer: Any) -> None:
        """The end of the slot's use of it."""
        del self._taken[id(stage)]
        self._idle[id(stage)] = stage, renderer
        self._forget(SPARE)

    def close(self) -> None:
        """Close the idle environments, and those that a slot still holds."""
        for stage, renderer in list(self._taken.values()):
            self.give_back(stage, renderer)
        self._forget(0)

    def _forget(self, kept: int) -> None:
        while len(self._idle) > max(kept, 0):
            _, (stage, renderer) = self._idle.popitem(last=False)
            renderer.close()
            stage.close()
            del stage, renderer
            gc.collect()  # robosuite's environments are cycles of references around all that they hold


class Libero:
    """One slot. Official start states: `seed` is their index. `turned`: pictures are turned by 180 degrees."""

    def __init__(self, stages: Stages, cameras: Sequence[str], turned: bool) -> None:
        for camera in cameras:
            if camera not in CAMERAS:
                raise ValueError("camera {!r}: choose from {}".format(camera, ", ".join(CAMERAS)))
        self._stages, self.cameras, self._step = stages, tuple(cameras), -1 if turned else 1
        self._held: Optional[Tuple[Stage, Any]] = None

    def reset(self, task: str, split: str, seed: int) -> Observation:
        """Begin at the official initial state `seed`. Raises ValueError for an unknown task, split or state."""
        self.enter(task, split).start(seed)
        return self.observe()

    def reset_to(self, task: str, initial: np.ndarray) -> Observation:
        """Begin at a demonstration's own start, see `Stage.start_at`."""
        self.enter(task, "seen").start_at(initial)
        return self.observe()

    def demonstrate(self, task: str, split: str, seed: int, noise: float) -> Demonstration:
        """An episode of the scripted expert, see `experts_demonstrate`; failed and empty where a seed has no start."""
        stage = self.enter(task, split)
        try:
            return demonstrate(stage, self.pictures, seed, noise)
        except StartError as error:
            nothing = np.zeros((0, ACTION_WIDTH), np.float32)
            return Demonstration(False, str(error), {}, nothing, nothing)

    def enter(self, task: str, split: str) -> Stage:
        """The slot's environment of that task, with no episode begun."""
        if self._held is not None:
            self._stages.give_back(*self._held)
            self._held = None
        self._held = self._stages.take(task, split)
        self.control_step = 0
        return self.stage

    @property
    def stage(self) -> Stage:
        assert self._held is not None, "no episode was begun"
        return self._held[0]

    def step(self, action: np.ndarray) -> Outcome:
        """One control step; done at the first success, as the suite's own evaluation has it, or at the horizon."""
        success = self.stage.step(action)
        self.control_step += 1
        return Outcome(success, success or self.control_step >= self.stage.problem.horizon)

    def observe(self) -> Observation:
        stage = self.stage
        return Observation(self.pictures(), stage.state, stage.problem.instruction, EMBODIMENT)

    def pictures(self) -> Dict[str, np.ndarray]:
        """camera -> uint8 [size, size, 3] of this moment."""
        assert self._held is not None, "no episode was begun"
        stage, renderer = self._held
        pictures = {name: renderer.render(stage.moment, CAMERAS[name], stage.site_rgba) for name in self.cameras}
        return {name: np.ascontiguousarray(each[:: self._step, :: self._step]) for name, each in pictures.items()}
