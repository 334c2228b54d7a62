"""CALVIN's long-horizon chains for LeRobot, which imports this package by its name: that registers the type."""

from dataclasses import dataclass

from lerobot.envs import EnvConfig
from lerobot_env_polymath import PolymathEnv

__all__ = ["CalvinEnv"]


@EnvConfig.register_subclass("calvin")
@dataclass
class CalvinEnv(PolymathEnv):
    """`polymath eval calvin` under `lerobot-eval --env.type=calvin`."""

    benchmark: str = "calvin"
