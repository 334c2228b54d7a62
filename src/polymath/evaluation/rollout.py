"""Episodes in simulator workers under one policy.

All simulators of all workers run side by side. When BATCH of the running episodes (or half of them, where they are few)
wait for an action, the policy answers them in one call; meanwhile the others are simulated, so neither side is idle:

    workers   ▓▓▓ A ▓▓▓ B ▓▓▓ A ▓▓▓ B        A and B: two sets of episodes
    policy        ▓ A ▓▓▓ B ▓▓▓ A ▓▓▓ B

Each episode is a session of the policy: opened at its reset, told what was executed, closed at its end. An episode is a
function of (task, split, seed) and of the policy, so results do not depend on the number of workers or on timing,
provided that an answer does not depend on what else is answered with it (see `polymath.policy.session`).
"""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, UInt8

from polymath.errors import PolymathError
from polymath.evaluation.episode_result import EpisodeResult
from polymath.evaluation.film import Film
from polymath.policy.session import (
    BATCH,
    Acting,
    EpisodeKey,
    Policy,
    Session,
    SessionsLost,
    Turn,
    check_answer,
    name_of,
    with_sessions,
)
from polymath.types import ActionChunk, Observation
from polymath.workers.pool import Lost, Place, WorkerPool
from polymath_worker.protocol import State

MOST_LOSSES = 5
"""Times that one episode is begun again because its session is lost."""
_log = logging.getLogger(__name__)


@dataclass
class _Running:
    """An episode under way. `actions` were sent to the simulator last, in the subtask `part`."""

    key: EpisodeKey
    started: float
    session: Session
    part: int = 0
    actions: Float[np.ndarray, "K A"] | None = None
    film: Film = field(default_factory=Film)


OnEpisode = Callable[[EpisodeResult, UInt8[np.ndarray, "frames height width 3"]], None]


def run_episodes(
    policy: Policy | Acting,
    pool: WorkerPool,
    keys: Iterable[EpisodeKey],
    execute: int,
    on_episode: OnEpisode,
    record: Callable[[EpisodeKey], bool] = lambda key: False,
    action_dim: int | None = None,
    initial: Callable[[EpisodeKey], Float[np.ndarray, " n"] | None] = lambda key: None,
) -> None:
    """Run every episode of `keys`, calling `on_episode(result, frames)` as each ends.

    The first `execute` actions of each chunk are executed before the policy is asked again. `frames` are those of the
    first camera at every control step where `record(key)`, else those that the policy saw (see `Film`). An episode
    begins where its seed puts it, or at `initial(key)`; one that was under way in a worker that failed begins again, in
    a new session, and so does one whose session the policy has lost, as a remote one does whose server was restarted.
    Raises PolymathError if the policy's answer is no action chunk, has fewer than `execute` actions or another width
    than `action_dim`, or is not finite, or if an episode is lost more than MOST_LOSSES times; WorkerError if a worker
    fails too often.
    """
    policy = with_sessions(policy)
    queue, idle = deque(keys), list(reversed(pool.places))
    running: dict[Place, _Running] = {}
    waiting: dict[Place, Turn] = {}
    losses: Counter[EpisodeKey] = Counter()
    try:
        while queue or running:
            while queue and idle:
                key, place = queue.popleft(), idle.pop()
                running[place] = _Running(key, time.monotonic(), policy.open(key))
                pool.reset(place, *key, record=record(key), initial=initial(key))
            for place, state in pool.receive():
                if isinstance(state, Lost):
                    waiting.pop(place, None)
                    queue.appendleft(_abandon(running.pop(place)))
                    idle.append(place)
                    continue
                running[place].film.add(state)
                if state.done:
                    idle.append(place)
                    _finish(running.pop(place), state, on_episode)
                else:
                    waiting[place] = _turn(running[place], state)
            while waiting and len(waiting) >= min(BATCH, len(running) // 2) and not (queue and idle):
                group = {place: waiting.pop(place) for place in list(waiting)[:BATCH]}
                try:
                    answers = dict(_answer(policy, group, execute, action_dim))
                except SessionsLost as error:
                    lost = [_abandon(running.pop(place)) for place in group]
                    _note_losses(lost, losses, error)
                    queue.extendleft(reversed(lost))
                    idle.extend(reversed(group))
                    continue
                for place, actions in answers.items():
                    running[place].actions = actions
                    pool.act(place, actions)
    finally:
        for episode in running.values():
            episode.session.close()


def _turn(episode: _Running, state: State) -> Turn:
    """The session's next turn; where a new subtask begins, the session has forgotten the former one."""
    executed = None if episode.actions is None else episode.actions[: state.executed]
    if state.part != episode.part:
        episode.part, executed = state.part, None
        episode.session.reset()
    return Turn(episode.session, Observation(**vars(state.observation)), executed)


def _abandon(episode: _Running) -> EpisodeKey:
    episode.session.close()
    return episode.key


def _note_losses(lost: list[EpisodeKey], losses: Counter[EpisodeKey], error: SessionsLost) -> None:
    """Count the losses of each episode. Raises PolymathError where beginning again does not help."""
    losses.update(lost)
    key, count = max(((key, losses[key]) for key in lost), key=lambda each: each[1])
    if count > MOST_LOSSES:
        raise PolymathError(f"{error} (for the {count}th time in the episode {', '.join(map(str, key))})") from error
    _log.warning("%s; its %d episodes under way begin again", error, len(lost))


def _finish(episode: _Running, state: State, on_episode: OnEpisode) -> None:
    episode.session.close()
    seconds = time.monotonic() - episode.started
    result = EpisodeResult(
        key=episode.key,
        success=state.success,
        steps=state.steps,
        seconds=round(seconds, 3),
        instruction=state.observation.instruction,
        score=state.score,
        measures=state.measures,
    )
    on_episode(result, episode.film.frames())


def _answer(
    policy: Policy, waiting: dict[Place, Turn], execute: int, action_dim: int | None
) -> Iterator[tuple[Place, Float[np.ndarray, "K A"]]]:
    """What is to be executed in each place."""
    name = name_of(policy)
    answer = check_answer(name, policy.answer(list(waiting.values())), len(waiting))
    for place, chunk in zip(waiting, answer, strict=True):
        yield place, _executable(name, chunk, execute, action_dim)


def _executable(name: str, chunk: ActionChunk, execute: int, action_dim: int | None) -> Float[np.ndarray, "K A"]:
    if not isinstance(chunk, ActionChunk):
        raise PolymathError(f"policy {name}: answered with a {type(chunk).__name__}, not a polymath.ActionChunk")
    try:
        actions = np.asarray(chunk.actions)
        actions = actions.astype(np.float32, casting="same_kind" if actions.dtype.kind == "c" else "unsafe")
    except (TypeError, ValueError) as error:
        raise PolymathError(f"policy {name}: actions that are no array of real numbers ({error})") from None
    if actions.ndim != 2 or len(actions) < execute:
        raise PolymathError(
            f"policy {name}: an action chunk of shape {list(actions.shape)}, but {execute} actions are to be executed "
            "before it is asked again; choose execute no larger than the policy's chunk length"
        )
    if action_dim is not None and actions.shape[1] != action_dim:
        raise PolymathError(
            f"policy {name}: an action chunk of shape {list(actions.shape)}, but the robot takes {action_dim} numbers "
            "a control step; is the policy made for this robot?"
        )
    if not np.isfinite(actions[:execute]).all():
        raise PolymathError(f"policy {name}: a NaN or infinite action; was the checkpoint written by a diverged run?")
    return np.ascontiguousarray(actions[:execute])
