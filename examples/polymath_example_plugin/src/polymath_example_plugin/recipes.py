"""Recipes: `cart_tiny` by its entry point, the same by `polymath train polymath_example_plugin.recipes:CART_TINY`."""

from dataclasses import replace

from polymath.presets.demo import TINY

CART_TINY = replace(
    TINY,
    name="cart_tiny",
    purpose="the example's robot in seconds; learns next to nothing",
    robot=replace(TINY.robot, steps=2, checkpoint_every=2),
)
