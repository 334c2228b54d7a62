"""The policy of the replay self-test: it answers with recorded actions, through a run's transforms."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, UInt8

from polymath.data.sequences.transforms import RobotTransform, pad_chunk
from polymath.errors import DataError, PolymathError
from polymath.evaluation.replay.demonstrations import Recorded
from polymath.policy.session import EpisodeKey, PolicySession, Turn, check_uncommitted
from polymath.types import ActionChunk, Embodiment, Observation

Convert = Callable[[Float[np.ndarray, "n A"], Float[np.ndarray, " state_dim"]], Float[np.ndarray, "n A"]]


def unchanged(actions: Float[np.ndarray, "n A"], state: Float[np.ndarray, " state_dim"]) -> Float[np.ndarray, "n A"]:
    """The actions as they were recorded."""
    return actions


def through(transform: RobotTransform, tokens: bool) -> Convert:
    """What a run makes of the right answer: normalised, with `tokens` binned and decoded, and turned back."""
    layout, control = transform.layout, transform.tokenizer.control

    def convert(actions: Float[np.ndarray, "n A"], state: Float[np.ndarray, " state_dim"]) -> Float[np.ndarray, "n A"]:
        chunk = pad_chunk(actions[: layout.chunk_length], layout.chunk_length)
        normalised = transform.normalised(chunk, state)
        if tokens:
            normalised = control.decode_actions(control.encode_actions(normalised))
        return transform.chunk(normalised, state).actions[: len(actions)]

    return convert


@dataclass
class ReplaySession(PolicySession):
    """One demonstration played again; what was observed meanwhile stands in `observed`, by recorded control step."""

    policy: "ReplayPolicy"
    demonstration: Recorded
    step: int = 0
    sent: int = 0
    observed: dict[int, Float[np.ndarray, " state_dim"]] = field(default_factory=dict)
    pictures: dict[str, UInt8[np.ndarray, "height width 3"]] = field(default_factory=dict)

    def reset(self) -> None:
        """Raises PolymathError: a demonstration is one subtask."""
        raise PolymathError(f"{self.demonstration.name}: the simulator began another subtask in the middle of a replay")

    def close(self) -> None:
        """Nothing is held."""


class ReplayPolicy:
    """Answers with the recorded actions, `convert`ed as a run does, `chunk_length` at a time.

    `check` is called with the first observation of each episode; a run's refuses other robots, cameras and pictures.
    Past the end of a demonstration the robot stands still.
    """

    name = "replay"

    def __init__(
        self,
        demonstrations: Sequence[Recorded],
        robot: Embodiment,
        chunk_length: int,
        convert: Convert = unchanged,
        check: Callable[[Observation], object] = lambda observation: None,
    ) -> None:
        self._demonstrations = {each.key: each for each in demonstrations}
        self._robot, self._chunk_length, self._convert, self._check = robot, chunk_length, convert, check
        self.sessions: dict[EpisodeKey, ReplaySession] = {}

    def open(self, episode: EpisodeKey | None = None) -> ReplaySession:
        """The session of that demonstration; an episode that is begun again is observed anew."""
        assert episode is not None
        session = self.sessions[episode] = ReplaySession(self, self._demonstrations[episode])
        return session

    def answer(self, turns: Sequence[Turn]) -> list[ActionChunk]:
        """Raises DataError for an observation that does not fit the recording or the run, ConfigError for committed
        actions.
        """
        check_uncommitted(self.name, turns)
        return [self._chunk(turn) for turn in turns]

    def _chunk(self, turn: Turn) -> ActionChunk:
        session, observation = turn.session, turn.observation
        assert isinstance(session, ReplaySession)
        recorded = session.demonstration
        if turn.executed is None:
            self._check(observation)
            session.pictures = dict(observation.images)
        else:
            session.step += len(turn.executed)
        if observation.state.shape != recorded.states.shape[1:]:
            raise DataError(
                f"{recorded.name}: recorded states have {recorded.states.shape[1]} numbers, the simulator's "
                f"{len(observation.state)}; replay demonstrations of this robot"
            )
        if session.step < len(recorded.states):
            session.observed[session.step] = observation.state
        rest = recorded.actions[session.step : session.step + self._chunk_length]
        missing = self._chunk_length - len(rest)
        actions = np.concatenate([rest, np.repeat(still(recorded.actions[-1], self._robot)[None], missing, axis=0)])
        return ActionChunk(self._convert(actions, observation.state).astype(np.float32))


def still(action: Float[np.ndarray, " A"], robot: Embodiment) -> Float[np.ndarray, " A"]:
    """An action that changes nothing after `action`: no delta and the same gripper, or the same absolute target."""
    absolute = robot.conventions is not None and robot.conventions.motion in ("pose", "joints")
    kept = np.isin(np.arange(len(action)), robot.gripper_dims)
    return action if absolute else np.where(kept, action, 0).astype(action.dtype)
