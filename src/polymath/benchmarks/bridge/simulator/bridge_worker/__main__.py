"""`python -m bridge_worker --image-size 256 --cameras image_0`; started by the evaluator, not by hand."""

import argparse
from typing import List, Tuple

from polymath_worker import VERSION, Hello, Simulator, run_worker

from .tasks import CONTROL_HZ, TASKS
from .vulkan import use_lavapipe


def simulators(options: argparse.Namespace, lavapipe: bool) -> Tuple[List[Simulator], Hello]:
    """`options.slots` simulators, and what they are."""
    from importlib.metadata import version

    from . import scene
    from .simulator import Bridge

    scene.use_stand_ins()
    driver = "lavapipe" if lavapipe else "vulkan"
    stand_in = options.eggplant == "stand-in"
    half_size = options.pictures == "half"
    slots: List[Simulator] = [
        Bridge(options.image_size, tuple(options.cameras), stand_in, half_size, options.scenes)
        for _ in range(options.slots)
    ]
    return slots, Hello(
        version=VERSION,
        benchmark="bridge",
        renderer=f"sapien-{version('sapien')}-{driver}",
        image_size=options.image_size,
        cameras=options.cameras,
        tasks=list(TASKS),
        max_steps=max(task.horizon for task in TASKS.values()),
        control_hz=CONTROL_HZ,
        slots=options.slots,
        identity=scene.identity(stand_in, half_size),
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bridge_worker", description=__doc__)
    parser.add_argument("--image-size", type=int, required=True)
    parser.add_argument("--cameras", nargs="+", required=True)
    parser.add_argument("--slots", type=int, default=1)
    parser.add_argument("--eggplant", choices=["official", "stand-in"], default="official")
    parser.add_argument("--scenes", type=int, default=0)
    parser.add_argument("--pictures", choices=["official", "half"], default="official")
    options = parser.parse_args()
    lavapipe = use_lavapipe("bridge_worker")
    run_worker(lambda: simulators(options, lavapipe))


if __name__ == "__main__":
    main()
