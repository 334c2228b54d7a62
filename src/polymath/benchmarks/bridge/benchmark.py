"""SIMPLER (Li et al., CoRL 2024), WidowX in the visual-matching setting.

task                           instruction                                horizon   source, target
widowx_spoon_on_towel          put the spoon on the towel                      60   12 pairs of corners, 2 yaws
widowx_carrot_on_plate         put carrot on plate                             60   12 pairs of corners, 2 yaws
widowx_stack_cube              stack the green block on the yellow block       60   12 pairs of corners of 2 squares
widowx_put_eggplant_in_basket  put eggplant into yellow basket                120   8 places in the sink, 3 yaws

Episodes 0 to 23 of a task are its official start states. An episode runs to its horizon, and success is what holds at
its last control step.
"""

from pathlib import Path

from polymath.benchmarks.bridge.published import PUBLISHED
from polymath.benchmarks.bridge.robot import CAMERAS, EMBODIMENT
from polymath.benchmarks.bridge.setup import SETUP
from polymath.errors import ConfigError
from polymath.evaluation.benchmark import Benchmark, Plan
from polymath.workers.process import WorkerCommand

SIMULATOR = Path(__file__).parent / "simulator"
START_STATES = 24
STANDARD_TASKS = ("widowx_spoon_on_towel", "widowx_carrot_on_plate", "widowx_stack_cube")
EGGPLANT = "widowx_put_eggplant_in_basket"
CHOICES = {"eggplant": ("official", "stand-in"), "pictures": ("official", "half")}
"""Values of the options, the usual one first. half: drawn at 320 x 240, not at 640 x 480, in a quarter of the time."""


def worker_command(plan: Plan) -> WorkerCommand:
    """How a worker of a complete plan is started. Raises ConfigError for an option of another value."""
    for name, values in CHOICES.items():
        if plan.options[name] not in values:
            raise ConfigError(f"--option {name}={plan.options[name]}: choose from {', '.join(values)}")
    scenes = plan.options["scenes"]
    if not scenes.isdecimal():
        raise ConfigError(f"--option scenes={scenes}: choose a whole number of at least 0")
    options = [text for name in CHOICES for text in (f"--{name}", plan.options[name])] + ["--scenes", scenes]
    return WorkerCommand(
        "bridge_worker",
        ("--image-size", str(plan.image_size), "--slots", str(plan.slots), *options, "--cameras", *plan.cameras),
        python=BENCHMARK.interpreter(plan),
        path=(str(SIMULATOR),),
    )


BENCHMARK = Benchmark(
    name="bridge",
    embodiment=EMBODIMENT,
    tasks=(*STANDARD_TASKS, EGGPLANT),
    standard_tasks=STANDARD_TASKS,
    splits={"visual_matching": ("Visual matching", "the photograph of the real scene behind robot and objects")},
    seeds=range(START_STATES),
    worker=worker_command,
    cameras=CAMERAS,
    renderers=("sapien",),
    image_size=256,
    episodes=START_STATES,
    seeds_per_block=START_STATES,
    options={**{name: values[0] for name, values in CHOICES.items()}, "scenes": "0"},
    groups={"table": STANDARD_TASKS},
    protocol="SIMPLER visual matching, success at the last of 60 (eggplant 120) control steps",
    published=PUBLISHED,
    setup=SETUP,
    demonstrable=(*STANDARD_TASKS, EGGPLANT),
)
