"""LIBERO's four suites of ten tasks with LIBERO-PRO's variations of them (`libero`), and its suite of 90 (`libero_90`).

split                  scene                            words            LIBERO-PRO's suite
seen                   as in training                   as in training   LIBERO itself
novel_objects          objects of other looks or size   as in training   <suite>_object
novel_positions        places of objects exchanged      as in training   <suite>_swap
novel_instructions     as in training                   a paraphrase     <suite>_lan
swapped_instructions   as in training                   another task's   <suite>_task

An episode's seed is the index of its official initial state, 0 to 49; each split has its own. In swapped_instructions
success is that of the task that the words ask for, mostly with an object that was in the scene all along: a policy
that follows the scene instead of the words scores 0.
"""

import json
from functools import partial
from pathlib import Path

from polymath.benchmarks.libero.published import PUBLISHED, SUITES
from polymath.benchmarks.libero.robot import EMBODIMENT, PICTURES, RENDERERS
from polymath.benchmarks.libero.setup import SETUP
from polymath.errors import ConfigError
from polymath.evaluation.benchmark import Benchmark, Plan
from polymath.workers.process import WorkerCommand

HERE = Path(__file__).parent
INITIAL_STATES = 50
TASKS: dict[str, list[str]] = json.loads((HERE / "data" / "tasks.json").read_text())
"""suite -> its tasks in their official order."""

SPLITS = {
    "seen": ("Seen tasks", "LIBERO's official initial states"),
    "novel_objects": ("Novel objects", "objects of other colours, shapes or sizes (LIBERO-PRO)"),
    "novel_positions": ("Novel positions", "objects have exchanged their places (LIBERO-PRO)"),
    "novel_instructions": ("Novel instructions", "the task in other words (LIBERO-PRO)"),
    "swapped_instructions": ("Swapped instructions", "the scene of one task, the words of another (LIBERO-PRO)"),
}


DEMONSTRABLE = ("libero_spatial", "libero_object")
"""Suites whose tasks have a scripted expert."""


def worker_command(name: str, suites: tuple[str, ...], plan: Plan) -> WorkerCommand:
    """How a worker of a complete plan is started. Raises ConfigError for an unknown orientation of the pictures."""
    pictures = plan.options["pictures"]
    if pictures not in PICTURES:
        raise ConfigError(f"option pictures {pictures!r}: choose from {', '.join(PICTURES)}")
    options = ("--renderer", plan.renderer, "--image-size", str(plan.image_size), "--slots", str(plan.slots))
    arguments = ("--benchmark", name, "--pictures", pictures, *options, "--cameras", *plan.cameras, "--suites", *suites)
    python = BENCHMARK.interpreter(plan)
    return WorkerCommand("libero_worker", arguments, python, (str(HERE / "simulator"),))


def _benchmark(name: str, suites: tuple[str, ...], splits: dict[str, tuple[str, str]]) -> Benchmark:
    return Benchmark(
        name=name,
        embodiment=EMBODIMENT,
        tasks=tuple(task for suite in suites for task in TASKS[suite]),
        groups={suite: tuple(TASKS[suite]) for suite in suites},
        splits=splits,
        demonstrable=tuple(task for suite in suites if suite in DEMONSTRABLE for task in TASKS[suite]),
        seeds=range(INITIAL_STATES),
        seeds_per_block=INITIAL_STATES,
        standard_splits=("seen",),
        worker=partial(worker_command, name, suites),
        renderers=RENDERERS,
        image_size=128,
        slots=3,  # one with a scene of LIBERO-Spatial takes 0.9 GB
        options={"pictures": PICTURES[0]},
        protocol="libero 1",
        published=PUBLISHED if suites == SUITES else (),
        setup=SETUP,
    )


BENCHMARK = _benchmark("libero", SUITES, SPLITS)
BENCHMARK_90 = _benchmark("libero_90", ("libero_90",), {"seen": SPLITS["seen"]})
