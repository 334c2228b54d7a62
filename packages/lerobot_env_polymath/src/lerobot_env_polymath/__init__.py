"""Polymath-V's benchmarks for LeRobot, which finds this package by its name and imports it: that registers the type."""

from lerobot_env_polymath.configuration import PolymathEnv

__all__ = ["PolymathEnv"]
