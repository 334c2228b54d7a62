"""`polymath demo`: the whole way of the system at demo size, through the same commands that a user would type."""

from polymath.demo.run import run_demo
from polymath.demo.settings import DemoSettings

__all__ = ["DemoSettings", "run_demo"]
