"""Benchmarks as Gymnasium environments, their simulators in worker processes of their own.

    import gymnasium, polymath.gym

    env = gymnasium.make("polymath/metaworld", task="reach-left")        # or split="novel_objects", image_size=96, …
    observation, info = env.reset(seed=0)                                # held-out episode 0
    observation, reward, terminated, truncated, info = env.step(action)

Every benchmark is registered as `polymath/NAME`, those of other packages included; `gymnasium.make(
"polymath.gym:polymath/metaworld", …)` imports this module by itself. See `polymath.gym.environment.BenchmarkEnv`.
"""

from polymath import extras

extras.require("gym", "polymath.gym")

import gymnasium  # noqa: E402

from polymath.benchmarks.registry import names  # noqa: E402
from polymath.gym.environment import BenchmarkEnv  # noqa: E402

__all__ = ["BenchmarkEnv"]

for _name in names():
    gymnasium.register(
        id=f"polymath/{_name}",
        entry_point="polymath.gym.environment:BenchmarkEnv",
        kwargs={"benchmark": _name},
        disable_env_checker=True,  # it would start the simulator twice
    )
