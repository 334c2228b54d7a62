"""The embedded Meta-World simulators as a worker: `python -m polymath.benchmarks.metaworld.worker --cameras front`.

Started by `polymath.workers.pool.WorkerPool`, not by hand.
"""

import argparse

import numpy as np

from polymath_worker import VERSION, Hello, Observation, StepResult, run_worker


def simulators(options: argparse.Namespace) -> tuple[list["MetaWorld"], Hello]:
    """`options.slots` simulators, and what they are."""
    from polymath.benchmarks.metaworld.robot import EMBODIMENT, EPISODE_LIMIT
    from polymath.benchmarks.metaworld.scene.tasks import TASKS

    slots = [MetaWorld(options.renderer, options.image_size, tuple(options.cameras)) for _ in range(options.slots)]
    return slots, Hello(
        version=VERSION,
        benchmark="metaworld",
        renderer=slots[0].identity,
        image_size=options.image_size,
        cameras=options.cameras,
        tasks=list(TASKS),
        max_steps=EPISODE_LIMIT,
        control_hz=EMBODIMENT.control_hz,
        slots=options.slots,
    )


class MetaWorld:
    """The benchmark's "seen" is the simulator's training distribution; its seeds are never recorded."""

    def __init__(self, renderer: str, image_size: int, cameras: tuple[str, ...]) -> None:
        from polymath.benchmarks.metaworld.simulator import Simulator

        # Episodes come task by task, so few scenes are enough: four hold the shapes of one task.
        self._simulator = Simulator(renderer, image_size, cameras, 4)
        self.identity = self._simulator.identity

    def reset(self, task_name: str, split: str, seed: int, /) -> Observation:
        self._simulator.reset(task_name, "train" if split == "seen" else split, seed)
        return self.observe()

    def step(self, action: np.ndarray, /) -> StepResult:
        return self._simulator.step(action)

    def observe(self) -> Observation:
        return Observation(**vars(self._simulator.observe()))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m polymath.benchmarks.metaworld.worker", description=__doc__)
    parser.add_argument("--renderer", default="ray")
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--cameras", nargs="+", required=True)
    parser.add_argument("--slots", type=int, default=1)
    options = parser.parse_args()
    run_worker(lambda: simulators(options))


if __name__ == "__main__":
    main()
