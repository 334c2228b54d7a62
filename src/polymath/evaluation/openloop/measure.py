"""Asks a policy about the steps of recorded episodes, as if it had led there itself."""

import logging
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from jaxtyping import Float

from polymath.data.interface import EpisodeSet, episode_name
from polymath.errors import ConfigError, PolymathError
from polymath.evaluation.openloop.errors import Predicted
from polymath.policy.session import BATCH, Acting, EpisodeKey, Policy, SessionsLost, Turn, with_sessions
from polymath.progress import progress_bar
from polymath.types import ActionChunk, Observation

SPLIT = "open-loop"
AT_ONCE = 16
"""Steps of an episode whose pictures are in memory."""
Change = Callable[[int, Observation], Observation]
MOST_LOSSES = 5
"""Times that a group of episodes is asked about again because its sessions are lost."""
_log = logging.getLogger(__name__)


def unchanged(place: int, observation: Observation) -> Observation:
    """As it was recorded."""
    return observation


def predictions(
    policy: Policy | Acting,
    episodes: EpisodeSet,
    chosen: Sequence[int],
    execute: int = 1,
    change: Change = unchanged,
    title: str = "open loop",
) -> Iterator[Predicted]:
    """The policy's answers to every `execute`-th step of the chosen episodes, in their order.

    `change(place, observation)` gives what the policy is shown instead of an observation of the episode at that place.

    Each episode is one session, which is told the recorded actions as those that were carried out, so a policy with a
    history sees the one of the recording. Raises ConfigError for execute < 1, PolymathError for answers that are no
    action chunks of the robot's width or not finite, or if the sessions are lost MOST_LOSSES times.
    """
    if execute < 1:
        raise ConfigError(f"execute {execute}: choose at least 1, the steps from one answer to the next")
    sessions = with_sessions(policy)
    with progress_bar(title, len(chosen)) as bar:
        for start in range(0, len(chosen), BATCH):
            group = chosen[start : start + BATCH]
            for predicted in _until_kept(sessions, episodes, group, execute, change):
                bar.advance()
                yield predicted


def _until_kept(
    policy: Policy, episodes: EpisodeSet, group: Sequence[int], execute: int, change: Change
) -> list[Predicted]:
    """The group's answers, asked for anew where the policy has lost its sessions."""
    for _ in range(MOST_LOSSES):
        try:
            return _group(policy, episodes, group, execute, change)
        except SessionsLost as error:
            _log.warning("%s; its %d episodes under way begin again", error, len(group))
    return _group(policy, episodes, group, execute, change)


def _group(policy: Policy, episodes: EpisodeSet, group: Sequence[int], execute: int, change: Change) -> list[Predicted]:
    """Several episodes side by side, so that the policy answers in batches."""
    actions = [np.asarray(episodes.actions(episode), np.float32) for episode in group]
    open_sessions = [policy.open(EpisodeKey(episodes.task(episode), SPLIT, episode)) for episode in group]
    pictures = [_observations(episodes, episode, execute, change) for episode in group]
    chunks: list[list[np.ndarray]] = [[] for _ in group]
    width = episodes.embodiment.action_dim
    for step in range(0, max(len(each) for each in actions), execute):
        running = [i for i in range(len(group)) if step < len(actions[i])]
        turns = [
            Turn(open_sessions[i], next(pictures[i]), actions[i][step - execute : step] if step else None)
            for i in running
        ]
        answers = policy.answer(turns)
        if len(answers) != len(turns):
            raise PolymathError(f"policy {policy.name}: {len(answers)} action chunks for {len(turns)} turns")
        for i, answer in zip(running, answers, strict=True):
            chunks[i].append(_checked(policy.name, answer, width))
    for session in open_sessions:
        session.close()
    return [
        Predicted(
            name=episode_name(episodes, episode),
            instruction=episodes.instruction(episode),
            actions=recorded,
            steps=np.arange(0, len(recorded), execute),
            chunks=_stacked(policy.name, answers),
        )
        for episode, recorded, answers in zip(group, actions, chunks, strict=True)
    ]


def _observations(episodes: EpisodeSet, episode: int, execute: int, change: Change) -> Iterator[Observation]:
    robot, states, instruction = episodes.embodiment, episodes.states(episode), episodes.instruction(episode)
    steps = range(0, len(states), execute)
    for start in range(0, len(steps), AT_ONCE):
        block = steps[start : start + AT_ONCE]
        for step, pictures in zip(block, episodes.frames(episode, block), strict=True):
            images = dict(zip(robot.cameras, pictures, strict=True))
            seen = Observation(images, np.asarray(states[step], np.float32), instruction, robot.name)
            yield change(episode, seen)


def _checked(name: str, answer: ActionChunk, width: int) -> Float[np.ndarray, "W A"]:
    actions = np.asarray(answer.actions, np.float32) if isinstance(answer, ActionChunk) else None
    if actions is None or actions.ndim != 2 or actions.shape[1] != width or not len(actions):
        shape = type(answer).__name__ if actions is None else list(actions.shape)
        raise PolymathError(f"policy {name}: answered with {shape}, not with a chunk of {width} numbers a control step")
    if not np.isfinite(actions).all():
        raise PolymathError(f"policy {name}: a NaN or infinite action; was the checkpoint written by a diverged run?")
    return actions


def _stacked(name: str, chunks: Sequence[Float[np.ndarray, "W A"]]) -> Float[np.ndarray, "n W A"]:
    if len({len(chunk) for chunk in chunks}) > 1:
        raise PolymathError(f"policy {name}: chunks of different lengths in one episode; answer with a fixed length")
    return np.stack(chunks)
