"""The benchmark, and a policy to beat: `polymath eval cart --policy sees_the_mark --out OUT`."""

from collections.abc import Sequence

import numpy as np

from polymath import ActionChunk, Observation
from polymath.evaluation.benchmark import Benchmark, Plan
from polymath.workers.process import WorkerCommand
from polymath_example_plugin.cart import CART
from polymath_example_plugin.cart_world import REACH


def _worker(plan: Plan) -> WorkerCommand:
    arguments = ("--slots", str(plan.slots), "--tolerance", plan.options["tolerance"])
    return WorkerCommand("polymath_example_plugin.cart_worker", arguments, plan.python)


BENCHMARK = Benchmark(
    name="cart",
    embodiment=CART,
    tasks=("mark",),
    splits={"seen": ("Seen", "scenes never recorded")},
    seeds=range(1_000_000, 1_100_000),  # demonstrations have smaller seeds
    worker=_worker,
    renderers=("drawn",),
    options={"tolerance": "0.05"},
)


class SeesTheMark:
    """Drives to the centre of the white pixels of the top row, without learning anything."""

    name = "sees_the_mark"

    def act(self, observations: Sequence[Observation]) -> list[ActionChunk]:
        """One chunk of four actions per observation, in metres."""
        return [self._chunk(observation) for observation in observations]

    def _chunk(self, observation: Observation) -> ActionChunk:
        row = observation.images["front"][0, :, 0]
        mark = (np.flatnonzero(row == 255).mean() + 0.5) / len(row)
        places = observation.state[0] + np.cumsum(np.full(4, np.sign(mark - observation.state[0]) * REACH))
        if abs(mark - observation.state[0]) < REACH:
            places = np.full(4, mark)
        steps = np.diff(places, prepend=observation.state[0])
        return ActionChunk(np.stack([steps, np.ones(4)], axis=1).astype(np.float32))


def sees_the_mark(benchmark: Benchmark) -> SeesTheMark:
    """What an entry point of `polymath.policies` names: a function from the benchmark to the policy."""
    return SeesTheMark()
