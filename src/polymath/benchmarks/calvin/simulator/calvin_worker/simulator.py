"""CALVIN as a simulator of `polymath_worker`: one scene, one chain at a time."""

from typing import Any, Dict, Tuple

import numpy as np

from polymath_worker import Observation, Outcome

from . import chains, initial
from .checkout import SCENES
from .episode import Episode
from .pictures import fit
from .world import World

CHAIN = "chain"
EMBODIMENT = "panda-calvin"
ROBOT_NUMBERS, SCENE_NUMBERS = 15, 24


class Calvin:
    """Episodes in one `World`.

    task "chain"      the official chain of index `seed`, 0 to 999, in the scene that `split` names
    task a subtask    that subtask alone, from the `seed`-th of the chains that begin with it
    """

    def __init__(self, world: World, image_size: int) -> None:
        self.world = world
        self._image_size = image_size
        self._data = chains.load()
        self._episode = Episode((CHAIN,))
        self._start: Dict[str, Any] = {}

    def reset(self, task_name: str, split: str, seed: int) -> Observation:
        state, subtasks = self.chain(task_name, seed)
        if split not in SCENES:
            raise ValueError("split {!r}: CALVIN's scenes are {}".format(split, ", ".join(SCENES)))
        self.world.load(split)
        scene = initial.scene_obs(state, self.world.blocks(), split)
        return self._begin(subtasks, initial.robot_obs(), scene)

    def reset_to(self, task_name: str, state: np.ndarray) -> Observation:
        """Begin a subtask at robot_obs and scene_obs, float64 [15 + 24], in scene D."""
        if state.shape != (ROBOT_NUMBERS + SCENE_NUMBERS,):
            raise ValueError(f"a start state of {state.size} numbers; CALVIN's has 15 of the robot, 24 of the scene")
        if task_name not in self._data.sentences:
            raise ValueError(f"{task_name!r} is no subtask; a start state belongs to a subtask")
        self.world.load("D")
        return self._begin((task_name,), state[:ROBOT_NUMBERS], state[ROBOT_NUMBERS:])

    def step(self, action: np.ndarray) -> Outcome:
        now = self.world.step(action)
        solved = self.world.solved(self._episode.subtask, self._start, now)
        outcome = self._episode.after_step(solved)
        if solved and not outcome.done:
            self._start = self.world.info()
        return outcome

    def observe(self) -> Observation:
        images = {name: fit(image, self._image_size) for name, image in self.world.pictures().items()}
        robot_obs, _ = self.world.states()
        instruction = self._data.sentences[self._episode.subtask]
        return Observation(images, robot_obs.astype(np.float32), instruction, EMBODIMENT)

    def chain(self, task_name: str, seed: int) -> Tuple[initial.Symbolic, Tuple[str, ...]]:
        """The initial state and the subtasks of an episode. Raises ValueError where there is none."""
        if task_name == CHAIN:
            if not 0 <= seed < len(self._data.chains):
                raise ValueError(f"chain {seed}: the official ones are 0 to {len(self._data.chains) - 1}")
            return self._data.chains[seed]
        beginnings = [state for state, subtasks in self._data.chains if subtasks[0] == task_name]
        if not beginnings:
            raise ValueError(f"{task_name!r}: no official chain begins with it")
        return beginnings[seed % len(beginnings)], (task_name,)

    def _begin(self, subtasks: Tuple[str, ...], robot_obs: np.ndarray, scene_obs: np.ndarray) -> Observation:
        self.world.place(robot_obs, scene_obs)
        self._episode, self._start = Episode(subtasks), self.world.info()
        return self.observe()
