"""`--env.type=polymath --env.benchmark=NAME`: a benchmark as LeRobot's suites of tasks, one vector environment a task.

The simulator, the seeds, the horizon and the success rule are those of `polymath eval NAME`: episode n of a task under
`lerobot-eval --seed=S` is the held-out episode S + n of `polymath.gym.BenchmarkEnv`. The sums of rewards in
eval_info.json are scores.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import gymnasium
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.envs import EnvConfig
from lerobot.envs.utils import _LazyAsyncVectorEnv, freeze_after_episode_end
from lerobot.utils.constants import ACTION, OBS_STATE

from polymath.benchmarks.registry import benchmark as benchmark_named
from polymath.errors import ConfigError
from polymath.evaluation.benchmark import Plan
from polymath.gym import BenchmarkEnv

IMAGE = "observation.images."


@EnvConfig.register_subclass("polymath")
@dataclass
class PolymathEnv(EnvConfig):
    """benchmark   the name, as in `polymath eval NAME`

    task        tasks and groups of tasks, with commas between; the benchmark's standard ones if empty
    split       one of the benchmark's; its first if empty
    image_size  pixels of a side, that of the policy's training; the benchmark's own if 0
    options     further options of the benchmark, by name
    python      the interpreter that has the simulator; that of `polymath setup NAME` if empty
    """

    benchmark: str = ""
    task: str | None = None
    split: str = ""
    renderer: str = ""
    image_size: int = 0
    cameras: list[str] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=dict)
    python: str = ""

    def __post_init__(self) -> None:
        """Fill in the robot's features and rate. Raises ConfigError for what the benchmark does not have."""
        if not self.benchmark:
            return  # the type without a benchmark, as `--help` makes it
        benchmark = benchmark_named(self.benchmark)
        robot, plan = benchmark.embodiment, self.plan
        self.fps = round(robot.control_hz)
        self.features = {ACTION: PolicyFeature(FeatureType.ACTION, (robot.action_dim,))}
        self.features["agent_pos"] = PolicyFeature(FeatureType.STATE, (robot.state_dim,))
        for camera in plan.cameras:
            self.features[IMAGE + camera] = PolicyFeature(
                FeatureType.VISUAL, (*benchmark.picture_size(plan, camera), 3)
            )
        self.features_map = {name: name for name in self.features} | {"agent_pos": OBS_STATE}

    @property
    def _names(self) -> tuple[str, ...]:
        """Of tasks and groups, as in `task`."""
        return tuple(name.strip() for name in (self.task or "").split(",") if name.strip())

    @property
    def plan(self) -> Plan:
        """The benchmark's plan of these choices, complete."""
        if not self.benchmark:
            raise ConfigError("--env.benchmark: is missing; name one, as in `polymath eval NAME`")
        plan = Plan(
            tasks=self._names,
            splits=(self.split or next(iter(benchmark_named(self.benchmark).splits)),),
            episodes=1,
            renderer=self.renderer,
            image_size=self.image_size,
            cameras=tuple(self.cameras),
            options=self.options,
            workers=1,
            slots=1,
            python=self.python,
        )
        return benchmark_named(self.benchmark).complete(plan)

    @property
    def gym_kwargs(self) -> dict[str, Any]:
        """Arguments of `BenchmarkEnv` but the task."""
        plan = self.plan
        return {
            "benchmark": self.benchmark,
            "split": plan.splits[0],
            "renderer": plan.renderer,
            "image_size": plan.image_size,
            "cameras": plan.cameras,
            "options": dict(plan.options),
            "python": plan.python,
        }

    def create_envs(
        self, n_envs: int, use_async_envs: bool = False
    ) -> dict[str, dict[int, gymnasium.vector.VectorEnv | _LazyAsyncVectorEnv]]:
        """Name -> {index: vector environment of a task}; a simulator starts when its task begins, and ends with it.

        The names are those of `task`, so that eval_info.json has a group for each: a group of tasks, or a task.
        """
        plan, groups = self.plan, benchmark_named(self.benchmark).groups
        return {
            name: {
                index: _vector(partial(BenchmarkEnv, task=task, **self.gym_kwargs), n_envs, use_async_envs)
                for index, task in enumerate(groups.get(name, (name,)))
            }
            for name in self._names or plan.tasks
        }


def _vector(
    make: Callable[[], gymnasium.Env], count: int, use_async: bool
) -> gymnasium.vector.VectorEnv | _LazyAsyncVectorEnv:
    """An environment that has ended stands still until the others have, as in LeRobot's own LIBERO."""
    if use_async and count > 1:
        return _LazyAsyncVectorEnv([make] * count)
    return gymnasium.vector.SyncVectorEnv([freeze_after_episode_end(make)] * count)
