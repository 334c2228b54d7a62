"""Meta-World on held-out layouts for LeRobot, which imports this package by its name: that registers the type."""

from dataclasses import dataclass

from lerobot.envs import EnvConfig
from lerobot_env_polymath import PolymathEnv

__all__ = ["PolymathMetaworldEnv"]


@EnvConfig.register_subclass("polymath_metaworld")
@dataclass
class PolymathMetaworldEnv(PolymathEnv):
    """`polymath eval metaworld` under `lerobot-eval --env.type=polymath_metaworld`."""

    benchmark: str = "metaworld"
