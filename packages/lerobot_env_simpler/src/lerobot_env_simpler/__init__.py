"""SIMPLER's WidowX tasks for LeRobot, which imports this package by its name: that registers the type."""

from dataclasses import dataclass

from lerobot.envs import EnvConfig
from lerobot_env_polymath import PolymathEnv

__all__ = ["SimplerEnv"]


@EnvConfig.register_subclass("simpler")
@dataclass
class SimplerEnv(PolymathEnv):
    """`polymath eval bridge` under `lerobot-eval --env.type=simpler`."""

    benchmark: str = "bridge"
