"""CALVIN as a worker: `python -m calvin_worker --checkout DIRECTORY`. Started by the evaluator, not by hand."""

import argparse
import os
import sys
from importlib import metadata
from pathlib import Path
from typing import List, Tuple

from polymath_worker import VERSION, Hello, run_worker

from . import checkout, egl
from .chains import load
from .episode import SUBTASK_STEPS
from .simulator import CHAIN, Calvin

CONVENTION = (
    "relative: x y z by 0.02 m, roll pitch yaw by 0.05 rad, added to the target pose, which is the arm's at reset "
    "alone; not clipped; gripper above 0 opens, else closes"
)
CONTROL_HZ = 30.0
CHAIN_LENGTH = 5


def simulators(options: argparse.Namespace) -> Tuple[List[Calvin], Hello]:
    """The one simulator of this process, and what it is. Ends the process with one line where it cannot be made."""
    from .world import World

    try:
        checkout.check_packages()
        if options.renderer == "egl":
            egl.check()
        root = checkout.find(options.checkout or checkout.installed())
    except (checkout.CheckoutError, egl.RendererError) as error:
        sys.exit(f"calvin_worker: {error}")
    sentences = load().sentences
    simulator = Calvin(World(root, options.renderer, options.cameras), options.image_size, options.picture_every)
    return [simulator], Hello(
        version=VERSION,
        benchmark="calvin",
        renderer=f"pybullet/{options.renderer}",
        image_size=options.image_size,
        cameras=options.cameras,
        tasks=[CHAIN, *sentences],
        max_steps=CHAIN_LENGTH * SUBTASK_STEPS,
        control_hz=CONTROL_HZ,
        slots=1,
        identity={
            "calvin_env": checkout.version(root),
            "pybullet": metadata.version("pybullet"),
            "action convention": CONVENTION,
        },
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m calvin_worker", description=__doc__)
    parser.add_argument("--checkout", type=Path, help="calvin_env, or the directory that holds it")
    parser.add_argument("--renderer", choices=("tiny", "egl"), default="tiny")
    parser.add_argument("--image-size", type=int, default=0, help="pixels of a side; 0: each camera's official size")
    parser.add_argument("--cameras", nargs="+", choices=tuple(checkout.CAMERAS), default=list(checkout.CAMERAS))
    parser.add_argument("--picture-every", type=int, default=1, help="control steps between pictures of demonstrations")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    run_worker(lambda: simulators(options))


if __name__ == "__main__":
    main()
