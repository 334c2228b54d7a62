"""A run of several robots as one policy: the weights are held once, every session and observation names its robot.

policy = load(Path("run"))
session = policy.open(embodiment="widowx-bridge")     # a session of the policy for this robot
chunks = policy.act([of_one, of_another])             # each observation by the name of its embodiment
one = policy.of("widowx-bridge")                      # the policy of one robot, as of a run for it alone
"""

import copy
from collections.abc import Sequence
from pathlib import Path

from polymath.errors import DataError, PolymathError
from polymath.model import polymath_v
from polymath.policy import weights
from polymath.policy.decoding import HEAD, Decoding, Dtype
from polymath.policy.policy import Policy, check_decoding, name_for
from polymath.policy.run_session import RunSession
from polymath.policy.session import EpisodeKey, Turn, check_sessions
from polymath.sharding import mesh as meshes
from polymath.training import robots
from polymath.training.checkpoint_choice import NEWEST
from polymath.training.run import Run
from polymath.types import ActionChunk, Observation


class SeveralRobots:
    """The policies of a run's robots. Each has its own statistics, cameras, widths and programs; the weights are one.

    `name`, `decoding`, `batch` and `dtype` are those of `Policy`.
    """

    def __init__(
        self,
        run: Run,
        params: polymath_v.Params,
        name: str,
        decoding: Decoding = HEAD,
        batch: int = 1,
        dtype: Dtype | None = None,
    ) -> None:
        self.run, self.name, self.params, self.decoding, self.batch = run, name, params, decoding, batch
        self._of = {
            robot.name: Policy(run.of(robot.name), params, name, decoding, batch, dtype) for robot in run.robots
        }

    @property
    def robots(self) -> tuple[str, ...]:
        """The names of the robots."""
        return tuple(self._of)

    @property
    def window(self) -> int:
        """Observations that an answer may depend on, the newest included (layout.window)."""
        return self.run.recipe.layout.window

    def of(self, embodiment: str | None) -> Policy:
        """The policy of one robot. Raises ConfigError, with the names there are, for none of them."""
        if embodiment is None:
            raise robots.ambiguous(self.robots, f"policy {self.name}")
        return self._of[robots.named(self.run.robots, embodiment, f"policy {self.name}").name]

    def in_batches_of(self, batch: int) -> "SeveralRobots":
        """The same policy with another number of rows in a pass of `answer`."""
        other = copy.copy(self)
        other.batch, other._of = batch, {name: policy.in_batches_of(batch) for name, policy in self._of.items()}
        return other

    def ablated(self, name: str, blank_images: bool = False, blank_instruction: bool = False) -> "SeveralRobots":
        """The same policy under another name, shown black pictures, or no instruction."""
        other = copy.copy(self)
        other.name = name
        other._of = {key: each.ablated(name, blank_images, blank_instruction) for key, each in self._of.items()}
        return other

    def open(self, episode: EpisodeKey | None = None, embodiment: str | None = None) -> RunSession:
        """A session for one episode of the robot of that name. Raises ConfigError for none, or an unknown one."""
        return self.of(embodiment).open(episode)

    def act(self, observations: Sequence[Observation]) -> list[ActionChunk]:
        """One chunk per observation, as the first of an episode of the robot that `observation.embodiment` names.

        Raises DataError as `Policy.act` does, and for a robot that the run does not drive.
        """
        if isinstance(observations, Observation):
            raise DataError("observations: a single Observation; give a list: [chunk] = policy.act([observation])")
        for observation in observations:
            if observation.embodiment not in self._of:
                raise DataError(
                    f"observation.embodiment: {observation.embodiment!r}, but this policy drives "
                    f"{' and '.join(self.robots)}"
                )
        chunks: dict[int, ActionChunk] = {}
        for name, policy in self._of.items():
            own = [i for i, observation in enumerate(observations) if observation.embodiment == name]
            if own:
                chunks |= dict(zip(own, policy.act([observations[i] for i in own]), strict=True))
        return [chunks[i] for i in range(len(observations))]

    def answer(self, turns: Sequence[Turn], rows: int | None = None) -> list[ActionChunk]:
        """One chunk per turn, those of each robot in passes of their own. Raises as `Policy.answer` does; all sessions
        are then as they were before.
        """
        owners = [getattr(turn.session, "policy", None) for turn in turns]
        for number, owner in enumerate(owners):
            if owner not in self._of.values():
                raise DataError(f"turns[{number}].session: was opened by another policy than {self.name}")
        before = [(turn.session, turn.session.history, turn.session.turns) for turn in turns]  # type: ignore[attr-defined]
        chunks: dict[int, ActionChunk] = {}
        try:
            for policy in self._of.values():
                own = [i for i, owner in enumerate(owners) if owner is policy]
                check_sessions(policy, [turns[i] for i in own])
            for policy in self._of.values():
                own = [i for i, owner in enumerate(owners) if owner is policy]
                if own:
                    chunks |= dict(zip(own, policy.answer([turns[i] for i in own], rows), strict=True))
        except PolymathError:
            for session, history, answered in before:
                session.history, session.turns = history, answered  # type: ignore[attr-defined]
            raise
        return [chunks[i] for i in range(len(turns))]


def load(
    path: Path,
    name: str | None = None,
    decoding: Decoding = HEAD,
    batch: int = 1,
    dtype: Dtype | None = None,
    mesh: meshes.Config | None = None,
    checkpoint: str | int = NEWEST,
    embodiment: str | None = None,
) -> Policy | SeveralRobots:
    """Robot weights of a run, or of an exported directory: for one robot, or for several if none is named.

    The arguments are those of `Policy.load`, which raises the same.
    """
    check_decoding(decoding)
    run, params = weights.load(path, dtype, mesh, checkpoint)
    name = name_for(run, path, name, dtype)
    if embodiment is None and run.several:
        return SeveralRobots(run, params, name, decoding, batch, dtype)
    run = run.of(robots.only(run.robots, str(path)).name if embodiment is None else embodiment)
    return Policy(run, params, name, decoding, batch, dtype)
