"""The set as the checks see it: its episodes, and what is usual among them."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float

from polymath.data.looking.doctor.reading import Recorded
from polymath.data.looking.doctor.relation import Relation, relate
from polymath.data.looking.doctor.vectors import discrete, room, span, steady_quaternions, unwrapped
from polymath.data.robots.grippers import gripper_places, is_gripper
from polymath.types import Embodiment

PEERS = 5
"""Episodes of one task by which one of them can be called unusual."""


@dataclass(frozen=True)
class Population:
    """`hz`: control steps a second, 0 where the set does not say."""

    robot: Embodiment
    hz: float
    episodes: list[Recorded]

    @cached_property
    def states(self) -> list[Float[np.ndarray, "T S"]]:
        """Of each episode, angles and quaternions made continuous."""
        return [steady_quaternions(unwrapped(each.states), self.robot.state_names) for each in self.episodes]

    @cached_property
    def actions(self) -> list[Float[np.ndarray, "T A"]]:
        return [each.actions.astype(np.float64) for each in self.episodes]

    @cached_property
    def state_span(self) -> Float[np.ndarray, " S"]:
        return span(self.states)

    @cached_property
    def action_span(self) -> Float[np.ndarray, " A"]:
        return span(self.actions)

    @cached_property
    def state_room(self) -> Float[np.ndarray, " S"]:
        """How far each state goes in the set, but for a few episodes; at least a tenth of others of its unit.

        An angle that a robot hardly turns has no room of its own.
        """
        low, high = room(self.states)
        rooms = high - low
        if self.robot.conventions is None:
            return rooms
        units = np.array(self.robot.conventions.state_units)
        return np.array([max(own, 0.1 * rooms[units == unit].max()) for own, unit in zip(rooms, units, strict=True)])

    @cached_property
    def action_room(self) -> Float[np.ndarray, " A"]:
        low, high = room(self.actions)
        return high - low

    @cached_property
    def switches(self) -> Bool[np.ndarray, " S"]:
        """States of few values."""
        return discrete(self.states)

    @cached_property
    def gripper_actions(self) -> list[int]:
        return gripper_places(self.robot)

    @cached_property
    def gripper_states(self) -> list[int]:
        return [i for i, name in enumerate(self.robot.state_names) if is_gripper(name)]

    @cached_property
    def arm_actions(self) -> list[int]:
        return [i for i in range(self.robot.action_dim) if i not in self.gripper_actions]

    @cached_property
    def arm_states(self) -> list[int]:
        """Those that move in the set and are no grippers or switches."""
        left_out = self.switches | (self.state_span <= 1e-9)
        left_out[self.gripper_states] = True
        return np.flatnonzero(~left_out).tolist()

    @cached_property
    def relation(self) -> Relation:
        """Of the arm's actions and all states."""
        return relate(self.actions, self.states, self.arm_actions, self.hz)

    @cached_property
    def speed(self) -> list[Float[np.ndarray, " T-1"]]:
        """Of each episode, how far the arm moves from step to step: the largest share of a dimension's span."""
        return [self._share(states, self.arm_states, self.state_span) for states in self.states]

    @cached_property
    def motion(self) -> list[Float[np.ndarray, " T-1"]]:
        """As `speed`, with the gripper."""
        return [self._share(s, [*self.arm_states, *self.gripper_states], self.state_span) for s in self.states]

    @cached_property
    def peers(self) -> list[list[int]]:
        """Places of episodes that do the same: those of each task that has PEERS of them.

        All are taken together where most have a task of their own, as with an instruction worded anew each time. Empty
        where tasks are many and their episodes few: what looks unusual there may be the task's own way.
        """
        tasks: dict[str, list[int]] = defaultdict(list)
        for number, episode in enumerate(self.episodes):
            tasks[episode.task].append(number)
        if len(tasks) > len(self.episodes) / 2 and len(self.episodes) >= PEERS:
            return [list(range(len(self.episodes)))]
        return [places for places in tasks.values() if len(places) >= PEERS]

    @staticmethod
    def _share(states: Float[np.ndarray, "T S"], places: list[int], spans: Float[np.ndarray, " S"]) -> np.ndarray:
        if not places:
            return np.zeros(max(0, len(states) - 1))
        return (np.abs(np.diff(states[:, places], axis=0)) / np.maximum(spans[places], 1e-9)).max(axis=1)

    def seconds(self, steps: float) -> str:
        """`6 control steps (200 ms)`; without the time where the set has no rate."""
        number = f"{steps:.1f}".removesuffix(".0")
        return f"{number} control steps" + (f" ({1000 * steps / self.hz:.0f} ms)" if self.hz else "")
