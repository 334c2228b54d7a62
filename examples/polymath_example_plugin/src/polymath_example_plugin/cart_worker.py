"""The benchmark's simulators as a worker process: `python -m polymath_example_plugin.cart_worker`.

Only `polymath_worker` (numpy and msgpack, Python 3.8 and newer) and the simulator are needed here, so this file may run
in an environment of its own, in which neither Polymath-V nor this package's other files can be imported.
"""

import argparse
from collections import namedtuple

from polymath_example_plugin.cart_world import INSTRUCTION, MAX_STEPS, SIZE, CartWorld
from polymath_worker import VERSION, Hello, Observation, run_worker

StepResult = namedtuple("StepResult", ["success", "done"])


class CartSimulator:
    """What `polymath_worker` wants of a simulator: reset, step, observe."""

    def __init__(self, tolerance):
        self.world = CartWorld(tolerance)

    def reset(self, task, split, seed):
        self.world.reset(seed)
        return self.observe()

    def step(self, action):
        success = self.world.step(action)
        return StepResult(success, success or self.world.steps >= MAX_STEPS)

    def observe(self):
        return Observation({"front": self.world.picture()}, self.world.state, INSTRUCTION, "cart")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slots", type=int, default=1)
    parser.add_argument("--tolerance", type=float, default=0.05)
    options = parser.parse_args()
    hello = Hello(VERSION, "cart", "drawn", SIZE, ["front"], ["mark"], MAX_STEPS, 10.0, options.slots)
    run_worker(lambda: ([CartSimulator(options.tolerance) for _ in range(options.slots)], hello))


if __name__ == "__main__":
    main()
