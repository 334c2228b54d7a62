"""CALVIN as a simulator of `polymath_worker`: one scene, one chain at a time."""

from typing import Any, Dict, List, Tuple

import numpy as np

from polymath_worker import Observation, Outcome
from polymath_worker.protocol import Demonstration

from . import chains, demonstrations, initial
from .checkout import SCENES
from .episode import Episode
from .pictures import fit
from .world import World

CHAIN = "chain"
EMBODIMENT = "panda-calvin"
HELD_OUT = 2
"""Beside the seed in the draw of start states: other ones than any demonstration's."""


class Calvin:
    """Episodes in one `World`.

    task "chain"      the official chain of index `seed`, 0 to 999, in the scene that `split` names
    task a subtask    that subtask alone, from the `seed`-th of the chains that begin with it; those that begin none
                      (something must be held, stacked or in the drawer) from a state that the experts have led to
    """

    def __init__(self, world: World, image_size: int, picture_every: int = 1) -> None:
        self.world = world
        self._image_size, self._picture_every = image_size, picture_every
        self._data = chains.load()
        self._episode = Episode((CHAIN,))
        self._start: Dict[str, Any] = {}

    def reset(self, task_name: str, split: str, seed: int) -> Observation:
        if split not in SCENES:
            raise ValueError("split {!r}: CALVIN's scenes are {}".format(split, ", ".join(SCENES)))
        if task_name in self._data.sentences and not self._beginnings(task_name):
            random = np.random.default_rng([seed, HELD_OUT, list(self._data.sentences).index(task_name)])
            return self.reset_to(task_name, demonstrations.draw_start(self.world, task_name, split, random))
        state, subtasks = self.chain(task_name, seed)
        self.world.load(split)
        self.world.place(initial.robot_obs(), initial.scene_obs(state, self.world.blocks(), split))
        return self._begin(subtasks)

    def reset_to(self, task_name: str, start: np.ndarray) -> Observation:
        """Begin a subtask at a demonstration's own start, float64 [46] (see `demonstrations.capture`)."""
        if start.shape != (demonstrations.START_NUMBERS,):
            raise ValueError(f"a start state of {start.size} numbers, expected {demonstrations.START_NUMBERS}")
        if task_name not in self._data.sentences:
            raise ValueError(f"{task_name!r} is no subtask; a start state belongs to a subtask")
        demonstrations.restore(self.world, start)
        return self._begin((task_name,))

    def demonstrate(self, task_name: str, split: str, seed: int, noise: float) -> Demonstration:
        """An episode of the scripted expert (see `demonstrations`); a failed, empty one if the seed has no start."""
        try:
            track = demonstrations.demonstrate(
                self.world, task_name, split, seed, noise, self._pictures, self._picture_every
            )
        except demonstrations.StartError as error:
            nothing = np.zeros((0, 7), np.float32)
            return Demonstration(False, str(error), {}, nothing, nothing)
        return Demonstration(
            success=track.success,
            instruction=self._data.sentences[task_name],
            images=track.images,
            states=track.robot_obs.astype(np.float32),
            actions=track.actions.astype(np.float32),
            extras={"scene_obs": track.scene_obs.astype(np.float32), "actions": track.targets.astype(np.float32)},
            initial=track.start,
        )

    def step(self, action: np.ndarray) -> Outcome:
        now = self.world.step(action)
        solved = self.world.solved(self._episode.subtask, self._start, now)
        outcome = self._episode.after_step(solved)
        if solved and not outcome.done:
            self._start = self.world.info()
        return outcome

    def observe(self) -> Observation:
        robot_obs, _ = self.world.states()
        instruction = self._data.sentences[self._episode.subtask]
        return Observation(self._pictures(), robot_obs.astype(np.float32), instruction, EMBODIMENT)

    def chain(self, task_name: str, seed: int) -> Tuple[initial.Symbolic, Tuple[str, ...]]:
        """The initial state and the subtasks of an episode. Raises ValueError where there is none."""
        if task_name == CHAIN:
            if not 0 <= seed < len(self._data.chains):
                raise ValueError(f"chain {seed}: the official ones are 0 to {len(self._data.chains) - 1}")
            return self._data.chains[seed]
        beginnings = self._beginnings(task_name)
        if not beginnings:
            raise ValueError(f"{task_name!r}: no official chain begins with it")
        return beginnings[seed % len(beginnings)], (task_name,)

    def _beginnings(self, subtask: str) -> List[initial.Symbolic]:
        return [state for state, subtasks in self._data.chains if subtasks[0] == subtask]

    def _pictures(self) -> Dict[str, np.ndarray]:
        return {name: fit(image, self._image_size) for name, image in self.world.pictures().items()}

    def _begin(self, subtasks: Tuple[str, ...]) -> Observation:
        self._episode, self._start = Episode(subtasks), self.world.info()
        return self.observe()
