"""LIBERO's simulators as a worker: started by the evaluator, with the interpreter that has LIBERO's packages."""

import argparse
import os
from typing import Any, List, Sequence, Tuple

from .pictures import ORIENTATIONS, RENDERERS, prepare_imports

CONTROL_HZ = 20.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="libero_worker", description=__doc__)
    parser.add_argument("--benchmark", default="libero")
    parser.add_argument("--suites", nargs="+", required=True)
    parser.add_argument("--renderer", choices=RENDERERS, default="egl")
    parser.add_argument("--pictures", choices=ORIENTATIONS, default="turned")
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--cameras", nargs="+", required=True)
    parser.add_argument("--slots", type=int, default=1)
    options = parser.parse_args()
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LP_NUM_THREADS"):  # processes are the parallelism
        os.environ.setdefault(variable, "1")
    prepare_imports(options.renderer)
    from polymath_worker import run_worker

    closing: List[Any] = []

    def make() -> Tuple[Sequence[Any], Any]:
        from polymath_worker import VERSION, Hello

        from .simulator import simulators
        from .suites import HORIZONS, tasks_of, versions

        slots, stages = simulators(options)
        closing.extend([*slots, stages])
        packages = versions()
        hello = Hello(
            version=VERSION,
            benchmark=options.benchmark,
            renderer="{}/{}".format(packages[-1].replace(" ", "-"), options.renderer),
            image_size=options.image_size,
            cameras=options.cameras,
            tasks=[task for suite in options.suites for task in tasks_of(suite)],
            max_steps=max(HORIZONS[suite] for suite in options.suites),
            control_hz=CONTROL_HZ,
            slots=options.slots,
            identity={
                "simulator": ", ".join(packages),
                "starts": "official initial states, env.seed(0), 10 settling steps",
                "actions": "OSC_POSE deltas in [-1, 1], of 0.05 m and 0.5 rad; gripper -1 open, 1 closed",
                "pictures": ORIENTATIONS[options.pictures],
            },
        )
        return slots, hello

    try:
        run_worker(make)
    finally:
        for each in closing:
            each.close()


if __name__ == "__main__":
    main()
