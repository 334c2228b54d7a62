"""LIBERO's simulators as a worker: started by the evaluator, with the interpreter that has LIBERO's packages."""

import argparse
import os
from typing import Any, List, Tuple

from .pictures import ORIENTATIONS, RENDERERS, prepare_imports

CONTROL_HZ = 20.0
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LP_NUM_THREADS")
"""Numbers of threads, 1 unless set: the worker processes are the parallelism."""


def main() -> None:
    """Answer the evaluator until it closes the worker."""
    parser = argparse.ArgumentParser(prog="libero_worker", description=__doc__)
    parser.add_argument("--benchmark", default="libero")
    parser.add_argument("--suites", nargs="+", required=True)
    parser.add_argument("--renderer", choices=RENDERERS, default="egl")
    parser.add_argument("--pictures", choices=tuple(ORIENTATIONS), default="turned")
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--cameras", nargs="+", required=True)
    parser.add_argument("--slots", type=int, default=1)
    options = parser.parse_args()
    for variable in THREADS:
        os.environ.setdefault(variable, "1")
    prepare_imports(options.renderer)
    from polymath_worker import run_worker

    from .simulator import Stages

    stages = Stages(options.renderer, options.image_size)
    try:
        run_worker(lambda: simulators(options, stages))
    finally:
        stages.close()


def simulators(options: argparse.Namespace, stages: Any) -> Tuple[List[Any], Any]:
    """`options.slots` simulators that share `stages`, and what they are."""
    from polymath_worker import VERSION, Hello

    from .simulator import Libero
    from .suites import HORIZONS, tasks_of, versions

    packages = versions()
    slots = [Libero(stages, options.cameras, options.pictures == "turned") for _ in range(options.slots)]
    return slots, Hello(
        version=VERSION,
        benchmark=options.benchmark,
        renderer=f"mujoco-{packages['mujoco']}/{options.renderer}",
        image_size=options.image_size,
        cameras=options.cameras,
        tasks=[task for suite in options.suites for task in tasks_of(suite)],
        max_steps=max(HORIZONS[suite] for suite in options.suites),
        control_hz=CONTROL_HZ,
        slots=options.slots,
        identity={
            "simulator": ", ".join(f"{name} {version}" for name, version in packages.items()),
            "starts": "official initial states, env.seed(0), 10 settling steps",
            "action convention": "OSC_POSE deltas in [-1, 1], of 0.05 m and 0.5 rad; gripper -1 open, 1 closed",
            "pictures": ORIENTATIONS[options.pictures],
        },
    )


if __name__ == "__main__":
    main()
