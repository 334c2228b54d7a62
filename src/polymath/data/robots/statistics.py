"""What normalises a robot's states and actions, and is inverted at control time: statistics.json of a run directory.

Beside it: `accumulator` counts, `scaling` says how the counted numbers scale a dimension.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from polymath.data.interface import EpisodeSet, episode_name
from polymath.data.robots import scaling
from polymath.data.robots.accumulator import QUANTILES, Accumulator, Clipping, FieldStatistics, checked, checked_rows
from polymath.data.robots.delta_checks import DeltaChecks
from polymath.data.robots.relative import AS_RECORDED, ActionForm, Subtracted, chunk_differences, subtracted_entries
from polymath.data.robots.scaling import CLIP, CONSTANT, RULES, STATE_CLIP, Normalization, Scaling
from polymath.data.robots.sketch import ACCURACY
from polymath.errors import DataError
from polymath.types import Embodiment

__all__ = [
    "ACCURACY",
    "CLIP",
    "CONSTANT",
    "QUANTILES",
    "STATE_CLIP",
    "Accumulator",
    "FieldStatistics",
    "Normalization",
    "RobotAccumulator",
    "Statistics",
    "of_episodes",
    "of_sets",
]


@dataclass(frozen=True)
class Statistics:
    """Saved and loaded through `polymath.config`.

    `normalization` is how actions are scaled, `rules` the version of `scaling`'s rules: a policy is controlled by those
    it was trained with. The two clippings are None in files of the first version. `subtracted`: what is taken from the
    actions before they are scaled, see `relative`; `action` and its clipping are then those of the differences.
    """

    state: FieldStatistics
    action: FieldStatistics
    normalization: Normalization = "quantiles"
    rules: int = RULES
    state_clipping: Clipping | None = None
    action_clipping: Clipping | None = None
    subtracted: Subtracted = ()

    @classmethod
    def upgrade(cls, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """A file's fields; one that names no rules was written by the first version. Called by `config.from_dict`."""
        return {"rules": 1, **fields}

    def check(self, embodiment: Embodiment, where: str = "statistics") -> None:
        """Raise DataError unless the widths are the embodiment's and its gripper dimensions exist."""
        for name, width, expected in (
            ("state", self.state.width, embodiment.state_dim),
            ("action", self.action.width, embodiment.action_dim),
        ):
            if width != expected:
                raise DataError(
                    f"{where}.{name}: {width} dimensions, but robot {embodiment.name!r} has {expected}; "
                    "compute the statistics from this robot's own data"
                )
        _check_gripper_dims(embodiment)
        fits = len(self.subtracted) == embodiment.action_dim
        if self.subtracted and not (
            fits and all(entry is None or 0 <= entry < embodiment.state_dim for entry in self.subtracted)
        ):
            raise DataError(
                f"{where}.subtracted: {list(self.subtracted)}; give each of the {embodiment.action_dim} actions of "
                f"robot {embodiment.name!r} an entry of its state, 0 to {embodiment.state_dim - 1}, or null"
            )

    def state_scaling(self) -> Scaling:
        return scaling.state_scaling(self.state, self.rules)

    def action_scaling(self, gripper: tuple[int, ...]) -> Scaling:
        return scaling.action_scaling(self.action, gripper, self.normalization, self.rules)

    def normalise_state(self, state: Float[np.ndarray, "*n D"]) -> Float[np.ndarray, "*n D"]:
        """(state - mean) / std, clipped to ±10, as float32. Raises DataError for another width, NaN, infinity."""
        return _normalised(self.state_scaling(), state, "observation.state")

    def normalise_action(
        self, action: Float[np.ndarray, "*n A"], gripper: tuple[int, ...]
    ) -> Float[np.ndarray, "*n A"]:
        """The ordinary range -> [-1, 1], clipped to ±1.5, as float32; the `gripper` dimensions pass as they are.

        Raises DataError for another width, NaN, infinity.
        """
        return _normalised(self.action_scaling(gripper), action, "action")

    def denormalise_action(
        self, action: Float[np.ndarray, "*n A"], gripper: tuple[int, ...]
    ) -> Float[np.ndarray, "*n A"]:
        """The inverse of `normalise_action` wherever that did not clip. Raises DataError for NaN and infinity."""
        return _denormalised(self.action_scaling(gripper), action, "normalised action")


class RobotAccumulator:
    """Statistics of the episodes of one robot seen so far, which errors call `name`.

    Actions are counted in the form that the model is given: under "delta" each action of each chunk. Raises DataError
    where the robot's actions cannot be given in it.
    """

    def __init__(self, robot: Embodiment, form: ActionForm = AS_RECORDED, name: str = "statistics") -> None:
        _check_gripper_dims(robot)
        self._robot, self._form, self._name = robot, form, name
        self._state, self._action = Accumulator(robot.state_dim), Accumulator(robot.action_dim)
        self._subtracted = subtracted_entries(robot, form, name)
        self._checks = DeltaChecks(robot, self._subtracted)

    def add(self, states: Float[np.ndarray, "T D"], actions: Float[np.ndarray, "T A"], name: str) -> None:
        """One episode, which errors call `name`. Raises DataError, and counts nothing of it, if it cannot be used."""
        states = checked_rows(states, self._robot.state_dim, f"{name}: state")
        actions = checked_rows(actions, self._robot.action_dim, f"{name}: action")
        if len(states) != len(actions):
            raise DataError(f"{name}: {len(states)} states, but {len(actions)} actions; record one of each a step")
        self._state.add(states)
        self._checks.add(states, actions, name)
        if not self._subtracted:
            self._action.add(actions)
            return
        for rows in chunk_differences(states, actions, self._subtracted, self._form.chunk_length):
            self._action.add(rows)

    def result(self, normalization: Normalization = "quantiles") -> Statistics:
        """Raises DataError if no row was added, and for actions whose differences from the state mean nothing."""
        if not self._state.count:
            raise DataError(f"robot {self._robot.name!r}: no usable episode, so no statistics; record it again")
        self._checks.check(self._name)
        state, action = self._state.result(), self._action.result()
        by_state = scaling.state_scaling(state)
        by_action = scaling.action_scaling(action, self._robot.gripper_dims, normalization)
        state_clipping = self._state.clipping(*by_state.bounds())
        return Statistics(
            state,
            action,
            normalization,
            RULES,
            state_clipping,
            self._action.clipping(*by_action.bounds()),
            self._subtracted,
        )


def of_episodes(
    episodes: EpisodeSet, normalization: Normalization = "quantiles", form: ActionForm = AS_RECORDED
) -> Statistics:
    """The statistics of a whole set.

    Raises DataError, naming set and episode, if it is empty, holds NaN, or cannot be given to a model in that form.
    """
    return of_sets([episodes], normalization, form)


def of_sets(
    sets: Sequence[EpisodeSet], normalization: Normalization = "quantiles", form: ActionForm = AS_RECORDED
) -> Statistics:
    """The statistics of several sets of one robot, every step of them counted once. Raises as `of_episodes` does."""
    total = RobotAccumulator(sets[0].embodiment, form, " and ".join(each.name for each in sets))
    for episodes in sets:
        for i in range(len(episodes)):
            total.add(episodes.states(i), episodes.actions(i), f"{episodes.name}: {episode_name(episodes, i)}")
    return total.result(normalization)


def _normalised(scaling: Scaling, values: Float[np.ndarray, "*n D"], name: str) -> Float[np.ndarray, "*n D"]:
    values = checked(values, len(scaling.centre), name)
    return np.clip((values - scaling.centre) / scaling.scale, -scaling.limit, scaling.limit).astype(np.float32)


def _denormalised(scaling: Scaling, values: Float[np.ndarray, "*n D"], name: str) -> Float[np.ndarray, "*n D"]:
    values = checked(values, len(scaling.centre), name)
    return (values * scaling.scale + scaling.centre).astype(np.float32)


def _check_gripper_dims(robot: Embodiment) -> None:
    wrong = [dimension for dimension in robot.gripper_dims if not 0 <= dimension < robot.action_dim]
    if wrong:
        raise DataError(
            f"embodiment {robot.name!r}, gripper_dims: {wrong[0]}, but the action has dimensions 0 to "
            f"{robot.action_dim - 1}; name action dimensions"
        )
