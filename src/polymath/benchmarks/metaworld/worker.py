"""The embedded Meta-World simulators as a worker: `python -m polymath.benchmarks.metaworld.worker --cameras front`.

Started by `polymath.workers.pool.WorkerPool`, not by hand.
"""

import argparse

import numpy as np

from polymath_worker import VERSION, Hello, Observation, Outcome, run_worker

REWORDED, SWAPPED = "novel_instructions", "swapped_instructions"
ON_SEEN_SCENES = ("seen", REWORDED, SWAPPED)
ORIGINAL = "original task solved"


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
    """The benchmark's "seen" is the simulator's training distribution; its seeds are never recorded.

    "novel_instructions" and "swapped_instructions" are those same scenes under other words. Swapped, the instruction
    and the success are those of the task's opposite, and the measure ORIGINAL says whether the task itself was solved.
    """

    def __init__(self, renderer: str, image_size: int, cameras: tuple[str, ...]) -> None:
        from polymath.benchmarks.metaworld.simulator import Simulator

        # Episodes come task by task, so few scenes are enough: four hold the shapes of one task.
        self._simulator = Simulator(renderer, image_size, cameras, 4)
        self._original = Simulator(renderer, 2, (), 1)  # draws no pictures
        self._swapped = self._original_solved = False
        self.identity = self._simulator.identity

    def reset(self, task_name: str, split: str, seed: int, /) -> Observation:
        from polymath.benchmarks.metaworld.scene.tasks import opposite, task
        from polymath.benchmarks.metaworld.scene.variation import draw

        scene = draw(task(task_name).family, "train" if split in ON_SEEN_SCENES else split, seed)
        self._swapped, self._original_solved = split == SWAPPED, False
        self._simulator.place(opposite(task(task_name)).name if self._swapped else task_name, scene)
        if self._swapped:
            self._original.place(task_name, scene)
        if split == REWORDED:
            self._simulator.reword()
        return self.observe()

    def step(self, action: np.ndarray, /) -> Outcome:
        result = self._simulator.step(action)
        if not self._swapped:
            return Outcome(result.success, result.done)
        self._original_solved = self._original_solved or self._original.solves(self._simulator)
        return Outcome(result.success, result.done, measures={ORIGINAL: float(self._original_solved)})

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
