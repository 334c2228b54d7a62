"""Policies have episodes: one seam for trained runs, streams, remote servers and a user's own class.

    session = policy.open(EpisodeKey("reach-left", "seen", 1_000_000))
    chunk = session.act(observation)                      # the first observation of the episode
    chunk = session.act(observation, executed)            # the next one, and the actions carried out in between
    chunk = session.act(observation, executed, committed)  # … and those that are carried out before it is used
    chunks = policy.answer([Turn(session, …), …])         # several sessions in one forward pass
    session.reset()                                       # a new subtask: the history is forgotten
    session.close()

An answer depends on its session, its observation and what its session saw before: not on the other turns of a call, nor
on their number or order. Each policy ensures it by its own means, mostly by filling up its batches to one size.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from jaxtyping import Float

from polymath.errors import ConfigError, DataError, PolymathError
from polymath.types import ActionChunk, Observation

BATCH = 8  # turns that an evaluation answers at once


class SessionsLost(PolymathError):
    """What a policy remembered of the sessions of a call is gone, and they are closed: begin their episodes again."""


class EpisodeKey(NamedTuple):
    """What is run: the same key is the same scene for every policy."""

    task: str
    split: str
    seed: int


class Session(Protocol):
    """One episode of one robot, answered in the order in which its observations are made."""

    def act(
        self,
        observation: Observation,
        executed: Float[np.ndarray, "K A"] | None = None,
        committed: Float[np.ndarray, "D A"] | None = None,
    ) -> ActionChunk:
        """The answer to this observation alone, as `Policy.answer` gives it in a batch of one turn."""

    def reset(self) -> None:
        """Forget the history: a new subtask of the same episode begins."""

    def close(self) -> None:
        """The episode is over: what the session holds is given back. A closed session may be closed again."""


class Turn(NamedTuple):
    """A session that waits for an answer.

    `executed` are the actions carried out since the session's last turn, in the robot's units; None at the first
    observation after `open` or `reset`. `committed` are the D actions that will be carried out from this observation
    on, before the answer can arrive, in the robot's units: the first D actions of the answer are these, the rest
    continues them (real-time chunking). None and no action mean the same.
    """

    session: Session
    observation: Observation
    executed: Float[np.ndarray, "K A"] | None = None
    committed: Float[np.ndarray, "D A"] | None = None


class Policy(Protocol):
    """What is evaluated and served."""

    @property
    def name(self) -> str:
        """Short name for tables and files."""

    def open(self, episode: EpisodeKey | None = None) -> Session:
        """A session for one episode; `episode` names it where it has a name, which decides what is drawn at random."""

    def answer(self, turns: Sequence[Turn]) -> Sequence[ActionChunk]:
        """One chunk per turn, in their order. No session stands in two turns.

        Where it raises, all sessions are as they were before, so that the others can be answered without the culprit;
        but after SessionsLost they are closed, and each can be begun again in a new one.
        """


class Acting(Protocol):
    """A user's policy without episodes."""

    @property
    def name(self) -> str:
        """Short name for tables and files."""

    def act(self, observations: Sequence[Observation]) -> Sequence[ActionChunk]:
        """One action chunk per observation, each independent of the others in the batch."""


def with_sessions(policy: Any) -> Policy:
    """The policy itself, or the adapter of an object that has only `act(observations)`.

    Raises ConfigError naming what an object lacks that is neither.
    """
    if not isinstance(policy, type) and all(callable(getattr(policy, method, None)) for method in ("open", "answer")):
        return policy
    if not isinstance(policy, type) and callable(getattr(policy, "act", None)):
        return Stateless(policy)
    raise ConfigError(
        f"policy {policy!r}: a {type(policy).__name__} without name and act(observations) -> chunks; give an object "
        "that has them, or open(episode) and answer(turns)"
    )


def name_of(policy: Any) -> str:
    """The policy's name; that of its class where it has none, as a policy that is named in a table only."""
    name = getattr(policy, "name", None)
    return name if isinstance(name, str) else type(policy).__name__


class Stateless:
    """Sessions for a policy that answers each observation by itself.

    It is always asked about BATCH observations, the last one repeated, since rounding may depend on the batch's size.
    """

    def __init__(self, policy: Acting) -> None:
        self.policy = policy

    @property
    def name(self) -> str:
        return name_of(self.policy)

    def open(self, episode: EpisodeKey | None = None) -> "StatelessSession":
        return StatelessSession(self)

    def answer(self, turns: Sequence[Turn]) -> list[ActionChunk]:
        """Raises PolymathError if the policy does not answer each observation, DataError for a closed session,
        ConfigError for committed actions.
        """
        check_sessions(self, turns)
        check_uncommitted(self.name, turns)
        chunks: list[ActionChunk] = []
        for start in range(0, len(turns), BATCH):
            observations = [turn.observation for turn in turns[start : start + BATCH]]
            padded = observations + observations[-1:] * (BATCH - len(observations))
            chunks += check_answer(self.name, self.policy.act(padded), BATCH, "observations")[: len(observations)]
        return chunks


class PolicySession(Session):
    """A session whose policy answers its turns, one by one in `act`; a class of its own says what it remembers."""

    policy: Policy

    def act(
        self,
        observation: Observation,
        executed: Float[np.ndarray, "K A"] | None = None,
        committed: Float[np.ndarray, "D A"] | None = None,
    ) -> ActionChunk:
        """Raises what `policy.answer` raises."""
        return self.policy.answer([Turn(self, observation, executed, committed)])[0]


class StatelessSession(PolicySession):
    """An episode of which nothing is remembered."""

    def __init__(self, policy: Policy) -> None:
        self.policy, self.closed = policy, False

    def reset(self) -> None:
        """Nothing is remembered, so there is nothing to forget."""

    def close(self) -> None:
        self.closed = True


def check_sessions(policy: Policy, turns: Sequence[Turn]) -> None:
    """Raise DataError for a session that is closed, that another policy opened, or that stands in two turns."""
    for number, turn in enumerate(turns):
        if getattr(turn.session, "policy", None) is not policy:
            raise DataError(f"turns[{number}].session: was opened by another policy than {name_of(policy)}")
        if getattr(turn.session, "closed", False):
            raise DataError(f"turns[{number}].session: is closed; open another with policy.open()")
    if len({id(turn.session) for turn in turns}) < len(turns):
        raise DataError("turns: a session stands in two of them; answer its observations one after the other")


def check_uncommitted(name: str, turns: Sequence[Turn]) -> None:
    """Raise ConfigError if a turn holds committed actions: policy `name` cannot continue them."""
    for number, turn in enumerate(turns):
        if turn.committed is not None and len(turn.committed):
            raise ConfigError(
                f"turns[{number}].committed: policy {name} does not continue committed actions; use a run that was "
                "trained with robot.committed above 0, or leave them out"
            )


def check_answer(name: str, answer: Any, count: int, of: str = "turns") -> Sequence[ActionChunk]:
    """The answer of policy `name`. Raises PolymathError unless it is a sequence of `count`."""
    if not isinstance(answer, Sequence) or len(answer) != count:
        size = len(answer) if isinstance(answer, Sequence) else f"a {type(answer).__name__} instead of a list of"
        raise PolymathError(f"policy {name}: {size} action chunks for {count} {of}; answer each of them")
    return answer
