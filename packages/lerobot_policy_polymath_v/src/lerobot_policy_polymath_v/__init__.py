"""Polymath-V's policy for LeRobot, which finds this package by its name and imports it: that registers the type."""

from lerobot_policy_polymath_v.configuration_polymath_v import PolymathVConfig

__all__ = ["PolymathVConfig"]
