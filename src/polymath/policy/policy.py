"""A trained run as a policy: observations in, action chunks out, many robots in one forward pass."""

import copy
import itertools
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from polymath.data.sequences.transforms import Ablation, RobotTransform
from polymath.errors import ConfigError, DataError
from polymath.model import polymath_v
from polymath.policy import weights
from polymath.policy.decoding import HEAD, Decoding, Dtype, seed_of
from polymath.policy.history import Next, following
from polymath.policy.one_pass import OnePass, powers_of_two
from polymath.policy.readout import Readout
from polymath.policy.run_session import RunSession
from polymath.policy.session import EpisodeKey, Turn, check_sessions
from polymath.policy.streaming import Streams
from polymath.sharding import mesh as meshes
from polymath.training import robots
from polymath.training.checkpoint_choice import NEWEST
from polymath.training.run import Run
from polymath.types import ActionChunk, Observation


class Policy:
    """Answers with the action head or with control tokens; a run with a window of several observations remembers them.

    decoding   the action head's chunk, or the action tokens after the prompt
    batch      rows of a pass of `answer`, the last turn repeated where there are fewer: the same bits then come out
               whatever else is answered. One for a robot by itself, several where several are answered at once
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
        """`dtype`: as what `params` are held; None: the usual one.

        Raises ConfigError for a batch of less than one, and for a run of several robots: `policy.several` drives those,
        `run.of(name)` is the run of one.
        """
        robots.only(run.robots, f"policy {name}")
        self.run, self.name, self.params, self.decoding = run, name, params, decoding
        self.transform: RobotTransform = run.transform
        self.batch = _checked(batch)
        self.dtype: Dtype = dtype or weights.usual(run.recipe.execution)
        self._readout = Readout(run, decoding)
        self._one_pass = OnePass(run, self._readout)
        self._streams = Streams(run, self._readout) if self.window > 1 else None
        self._nameless = itertools.count()

    @classmethod
    def load(
        cls,
        path: Path,
        name: str | None = None,
        decoding: Decoding = HEAD,
        batch: int = 1,
        dtype: Dtype | None = None,
        mesh: meshes.Config | None = None,
        checkpoint: str | int = NEWEST,
        embodiment: str | None = None,
    ) -> "Policy":
        """Weights of a run's robot phase, or those of an exported directory, and no optimizer state.

        checkpoint: "newest", "best" on the held-out episodes, or a step.
        embodiment: the name of the robot, which must be given for a run of several.
        dtype: "float32", "bf16" or "int8" (`polymath.policy.weights`); None: what gives the answers of the float32
        masters in the least memory. A dtype that changes the answers stands in the name, as in RUN-int8, unless `name`
        is given. mesh: [1, 1, model], over which the weights are divided; one device if left out.
        Raises ConfigError or CheckpointError if the directory is incomplete, or does not fit dtype or mesh.
        """
        check_decoding(decoding)
        run, params = weights.load(path, dtype, mesh, checkpoint)
        run = run.of(robots.only(run.robots, str(path)).name if embodiment is None else embodiment)
        return cls(run, params, name_for(run, path, name, dtype), decoding, batch, dtype)

    @property
    def window(self) -> int:
        """Observations that an answer may depend on, the newest included (layout.window)."""
        return self.run.recipe.layout.window

    @property
    def other_dtype(self) -> str:
        """How the weights are held, where that changes the answers; else empty."""
        return "" if self.dtype == weights.usual(self.run.recipe.execution) else self.dtype

    def in_batches_of(self, batch: int) -> "Policy":
        """The same policy, weights and programs included, with another number of rows in a pass of `answer`."""
        other = copy.copy(self)
        other.batch = _checked(batch)
        return other

    def ablated(self, name: str, blank_images: bool = False, blank_instruction: bool = False) -> "Policy":
        """The same policy under another name, shown black pictures, or no instruction."""
        other = copy.copy(self)
        own = self.transform.ablation
        ablation = Ablation(own.blank_images or blank_images, own.blank_instruction or blank_instruction)
        other.name, other.transform = name, replace(self.transform, ablation=ablation)
        return other

    def act(self, observations: Sequence[Observation]) -> list[ActionChunk]:
        """One action chunk per observation, each as the first of an episode of its own.

        Observations with prompts of similar lengths are answered in groups of 1, 2, 4, … 16; an answer does not depend
        on its group, but for rounding. Raises DataError for a wrong robot, camera, picture or state.
        """
        value: object = observations  # users have handed over one, or what a client sends
        if not isinstance(value, Sequence) or isinstance(value, str):
            shown = "a single Observation" if isinstance(value, Observation) else type(value).__name__
            raise DataError(f"observations: {shown}; give a list: [chunk] = policy.act([observation])")
        if self.window > 1:
            warnings.warn(
                f"policy {self.name}: act answers each observation as the first of an episode, but the run was trained "
                f"with up to {self.window - 1} before it (layout.window); open a session for each episode",
                stacklevel=2,
            )
        prompts = [self.transform.prompt([observation]) for observation in observations]
        seeds = [seed_of(next(self._nameless), 0) for _ in prompts]
        chunks = self._one_pass.chunks(self.params, prompts, seeds, powers_of_two)
        return [
            self.transform.chunk(chunk, observation.state)
            for chunk, observation in zip(chunks, observations, strict=True)
        ]

    def open(self, episode: EpisodeKey | None = None, embodiment: str | None = None) -> RunSession:
        """A session for one episode, of the robot of that name if one is given.

        Draws of decoded tokens are a function of `episode` and the turn alone; those of a nameless one depend on how
        many nameless ones were opened before it.

        Raises ConfigError for another robot than the policy's, PolymathError if the memory of a run with a history has
        no row left.
        """
        if embodiment is not None:
            robots.named(self.run.robots, embodiment, f"policy {self.name}")
        session = RunSession(self, next(self._nameless) if episode is None else episode)
        if self._streams:
            session.hold(self._streams.rows)
        return session

    def answer(self, turns: Sequence[Turn], rows: int | None = None) -> list[ActionChunk]:
        """One chunk per turn, the same bits whatever else is answered with it in passes of as many rows.

        `rows` of each pass: `batch` unless given.
        Raises DataError as `act` does, for a session that is closed or not this policy's, and for executed or committed
        actions that do not fit, ConfigError for committed actions where the training gave none; all sessions are then
        as they were before.
        """
        check_sessions(self, turns)
        sessions: list[RunSession] = [turn.session for turn in turns]  # type: ignore[misc]
        rows = _checked(self.batch if rows is None else rows)
        chunks = (
            self._with_history(turns, sessions, rows) if self._streams else self._without_history(turns, sessions, rows)
        )
        for session in sessions:
            session.turns += 1
        return [
            self.transform.chunk(chunk, turn.observation.state, turn.committed)
            for chunk, turn in zip(chunks, turns, strict=True)
        ]

    def compile(self, turns: Sequence[Turn], rows: int | None = None) -> None:
        """Compile the programs that `answer` needs for the turns of an episode, given in their order, without running
        them: what the turns' sessions remember is neither read nor changed.

        `rows` of each pass: `batch` unless given. Of a run with a history `answer` is to be called once before.
        Raises DataError as `answer` does.
        """
        rows = _checked(self.batch if rows is None else rows)
        if not self._streams:
            prompts = [self.transform.prompt([turn.observation], committed=turn.committed) for turn in turns]
            return self._one_pass.compile(self.params, prompts, lambda _: rows)
        episode: list[Next] = []
        for turn in turns:
            history, room = episode[-1].after if episode else None, self._readout.room
            episode.append(following(self.transform, history, turn.observation, turn.executed, room, turn.committed))
        return self._streams.compile(self.params, episode, lambda _: rows)

    def _with_history(
        self, turns: Sequence[Turn], sessions: list[RunSession], count: int
    ) -> list[Float[np.ndarray, "W A"]]:
        assert self._streams is not None
        following_turns = [
            following(
                self.transform, session.history, turn.observation, turn.executed, self._readout.room, turn.committed
            )
            for session, turn in zip(sessions, turns, strict=True)
        ]
        rows, seeds = [session.row for session in sessions], [session.seed for session in sessions]
        chunks = self._streams.chunks(self.params, following_turns, rows, seeds, lambda _: count)
        for session, turn in zip(sessions, following_turns, strict=True):
            session.history = turn.after
        return chunks

    def _without_history(
        self, turns: Sequence[Turn], sessions: list[RunSession], count: int
    ) -> list[Float[np.ndarray, "W A"]]:
        for turn in turns:
            self._check_executed(turn.executed)
        prompts = [self.transform.prompt([turn.observation], committed=turn.committed) for turn in turns]
        seeds = [session.seed for session in sessions]
        return self._one_pass.chunks(self.params, prompts, seeds, lambda _: count)

    def _check_executed(self, executed: np.ndarray | None) -> None:
        """Raise DataError for actions that this robot cannot have carried out."""
        width = self.run.embodiment.action_dim
        if executed is None:
            return
        actions = np.asarray(executed)
        fits = actions.dtype.kind in "fiu" and actions.ndim == 2 and actions.shape[1] == width
        if not fits or not np.isfinite(actions).all():
            raise DataError(
                f"executed: {actions.dtype} {list(actions.shape)}; give finite numbers, [K, {width}]: the K actions "
                "carried out since the last observation"
            )


def check_decoding(decoding: object) -> None:
    """Raise ConfigError for what is no Decoding."""
    if not isinstance(decoding, Decoding):
        raise ConfigError(f"decoding {decoding!r}: give a Decoding, as in Decoding('tokens')")


def name_for(run: Run, path: Path, name: str | None, dtype: Dtype | None) -> str:
    """`name`, or that of the run's directory with a dtype that changes the answers."""
    suffix = "" if dtype in (None, weights.usual(run.recipe.execution)) else f"-{dtype}"
    return name or f"{directory_name(path)}{suffix}"


def directory_name(path: Path) -> str:
    """What a run is called: its directory as it was typed, or what "." and ".." stand for."""
    name = Path(path).name
    return name if name not in ("", "..") else Path(path).resolve().name


def _checked(batch: int) -> int:
    if type(batch) is not int or batch < 1:
        raise ConfigError(f"batch {batch!r}: choose a whole number of at least 1, the rows of a pass")
    return batch
