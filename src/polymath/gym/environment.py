"""One task of a benchmark as a Gymnasium environment: one simulator in one worker process, by the harness's own rules.

observation    {"pixels": {camera: uint8 [height, width, 3]}, "agent_pos": float32 [state_dim]}, the robot's own units
action         float [A], the robot's own units, one control step
reward         what the score gained: the rewards of an episode add up to its score (1 for success where a benchmark
               counts nothing else, solved subtasks for a chain)
terminated     the episode has ended in success; truncated: it has ended otherwise
info           is_success (by the benchmark's rule, so never before the episode's end), score, instruction, part, steps,
               task, split, seed (the benchmark's own), and the benchmark's measures

`reset(seed=n)` begins the n-th held-out episode: the same scene as in `polymath eval`, whose `--seed b` stands for the
episodes from b x `seeds_per_block` on. Without a seed one is drawn.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from fractions import Fraction
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from jaxtyping import Float, UInt8

from polymath.benchmarks.registry import benchmark as benchmark_named
from polymath.errors import ConfigError, DataError
from polymath.evaluation.benchmark import Benchmark, Plan
from polymath.evaluation.harness import start_workers
from polymath.workers.pool import Lost, WorkerError, WorkerPool
from polymath_worker.protocol import State

LARGEST_PICTURE = 4096  # pixels of a side; its spaces hold bounds of every pixel


class BenchmarkEnv(gymnasium.Env):
    """Its simulator starts at the first `reset` and ends with `close`.

    The other arguments are those of `polymath eval`; what is left out is the benchmark's own choice, and the first
    split. Raises ConfigError for a benchmark, task, split, camera, renderer or option that there is not.
    """

    def __init__(
        self,
        benchmark: str | Benchmark,
        task: str,
        split: str = "",
        renderer: str = "",
        image_size: int = 0,
        cameras: Sequence[str] = (),
        options: Mapping[str, str] | None = None,
        python: str = "",
        render_mode: str | None = "rgb_array",
    ) -> None:
        if not isinstance(benchmark, str | Benchmark):
            raise ConfigError(f"benchmark {benchmark!r}: name a benchmark as text, or give a Benchmark")
        self.benchmark = benchmark_named(benchmark) if isinstance(benchmark, str) else benchmark
        _check_kinds(task, {"split": split, "renderer": renderer, "python": python}, cameras, options)
        if type(image_size) is int and image_size > LARGEST_PICTURE:
            raise ConfigError(f"image_size {image_size}: choose at most {LARGEST_PICTURE} pixels")
        wishes = Plan(
            tasks=(task,),
            splits=(split or next(iter(self.benchmark.splits)),),
            episodes=1,
            renderer=renderer,
            image_size=image_size,
            cameras=tuple(cameras),
            options=dict(options or {}),
            workers=1,
            slots=1,
            python=python,
        )
        self.plan = self.benchmark.complete(wishes)
        if len(self.plan.tasks) != 1:
            raise ConfigError(f"task {task!r}: is a group of {len(self.plan.tasks)} tasks; name one of them")
        if render_mode not in (None, "rgb_array"):
            raise ConfigError(f"render_mode {render_mode!r}: choose 'rgb_array', or None")
        self.task, self.split, self.render_mode = self.plan.tasks[0], self.plan.splits[0], render_mode
        rate = Fraction(self.benchmark.embodiment.control_hz).limit_denominator(1000)
        # Writers of videos take whole numbers and fractions, but no float.
        fps = int(rate) if rate.denominator == 1 else rate
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": fps}
        self.observation_space, self.action_space = _spaces(self.benchmark, self.plan)
        self._running = ExitStack()
        self._pool: WorkerPool | None = None
        self._state: State | None = None
        self._seed = 0

    @property
    def task_description(self) -> str:
        """The instruction of this moment; a chain has another one for each subtask."""
        return self._under_way().observation.instruction

    @property
    def max_steps(self) -> int:
        """Control steps after which an episode has ended at the latest. Starts the simulator."""
        return self._started().hello.max_steps

    _max_episode_steps = max_steps  # LeRobot's name of it

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin the held-out episode `seed`. Raises ConfigError where there is no such, WorkerError of the worker."""
        seeds = self.benchmark.seeds
        if seed is not None and (type(seed) is not int or not 0 <= seed < len(seeds)):
            raise ConfigError(
                f"seed {seed!r}: benchmark {self.benchmark.name} has the held-out episodes 0 to {len(seeds) - 1}; "
                "choose one of them"
            )
        super().reset(seed=seed)
        index = int(self.np_random.integers(len(seeds))) if seed is None else seed
        self._seed, self._state = seeds[index], None
        pool = self._started()
        pool.reset(pool.places[0], self.task, self.split, self._seed)
        self._state = self._received(pool)
        return self._observation(), self._info()

    def step(self, action: Float[np.ndarray, " A"]) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """One control step. Raises DataError for an action that this robot cannot carry out."""
        before = self._under_way()
        if before.done:
            raise DataError("step: the episode has ended; call reset first")
        pool = self._started()
        pool.act(pool.places[0], self._checked(action)[None])
        self._state = state = self._received(pool)
        reward = float(state.score - before.score)
        return self._observation(), reward, state.done and state.success, state.done and not state.success, self._info()

    def render(self) -> UInt8[np.ndarray, "height width 3"]:
        """The first camera's picture of this moment."""
        return self._under_way().observation.images[self.plan.cameras[0]]

    def close(self) -> None:
        """End the simulator; a later `reset` starts another one."""
        self._running.close()
        self._pool = self._state = None

    def _started(self) -> WorkerPool:
        if self._pool is None:
            self._pool = self._running.enter_context(start_workers(self.benchmark, self.plan))
        return self._pool

    def _under_way(self) -> State:
        if self._state is None:
            raise DataError("no episode is under way; call reset first")
        return self._state

    def _received(self, pool: WorkerPool) -> State:
        [(_, state)] = pool.receive()
        if isinstance(state, Lost):
            self._state = None
            raise WorkerError(f"{state.problem}; the simulator has been started anew, begin the episode again by reset")
        return state

    def _checked(self, action: Any) -> Float[np.ndarray, " A"]:
        names = self.benchmark.embodiment.action_names
        try:
            actions = np.asarray(action)
        except ValueError:  # lists of unequal lengths
            actions = np.zeros(0, object)
        if actions.dtype.kind not in "fiu" or actions.shape != (len(names),) or not np.isfinite(actions).all():
            raise DataError(
                f"action: {actions.dtype} {list(actions.shape)}; give {len(names)} finite numbers: {', '.join(names)}"
            )
        return actions.astype(np.float32)

    def _observation(self) -> dict[str, Any]:
        observation = self._under_way().observation
        return {
            "pixels": {camera: observation.images[camera] for camera in self.plan.cameras},
            "agent_pos": np.asarray(observation.state, np.float32),
        }

    def _info(self) -> dict[str, Any]:
        state = self._under_way()
        return {
            **state.measures,
            "is_success": state.done and state.success,
            "score": state.score,
            "instruction": state.observation.instruction,
            "part": state.part,
            "steps": state.steps,
            "task": self.task,
            "split": self.split,
            "seed": self._seed,
        }


def _check_kinds(task: Any, texts: Mapping[str, Any], cameras: Any, options: Any) -> None:
    """Raise ConfigError for arguments of another kind; what they name is checked by the benchmark."""
    if not isinstance(task, str):
        raise ConfigError(f"task {task!r}: name a task of the benchmark as text")
    for name, value in texts.items():
        if not isinstance(value, str):
            raise ConfigError(f"{name} {value!r}: give a text, or leave it out")
    if isinstance(cameras, str):
        raise ConfigError(f"cameras {cameras!r}: is a text; give a tuple of names, as in ({cameras!r},)")
    if not isinstance(cameras, Sequence) or not all(isinstance(camera, str) for camera in cameras):
        raise ConfigError(f"cameras {cameras!r}: give a tuple of names")
    if not isinstance(options, Mapping | None):
        raise ConfigError(f"options {options!r}: give a mapping of names to texts")


def _spaces(benchmark: Benchmark, plan: Plan) -> tuple[spaces.Dict, spaces.Box]:
    """Of observations and actions; states and actions are not bounded, for their units are the robot's own."""
    robot = benchmark.embodiment
    pictures: dict[str, spaces.Space] = {}
    for camera in plan.cameras:
        height, width = benchmark.picture_size(plan, camera)
        pictures[camera] = spaces.Box(0, 255, (height, width, 3), np.uint8)
    state = spaces.Box(-np.inf, np.inf, (robot.state_dim,), np.float32)
    observation = spaces.Dict({"pixels": spaces.Dict(pictures), "agent_pos": state})
    return observation, spaces.Box(-np.inf, np.inf, (robot.action_dim,), np.float32)
