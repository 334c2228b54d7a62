"""The embedded benchmark: Meta-World tasks on held-out layouts, with known and never-seen objects and surroundings.

split                 layouts         objects, colours   table, light, cameras, distractors   instruction
seen                  never recorded  as in training     as in training                       as in training
novel_objects         never recorded  never in training  as in training                       as in training
novel_environments    never recorded  as in training     never in training                    as in training
novel_instructions    those of seen   as in training     as in training                       in words never trained on
swapped_instructions  those of seen   as in training     as in training                       of the scene's other task

A swapped episode succeeds when the other task, the one of the words, is solved; whether the scene's own task was solved
instead is its measure "original task solved".
"""

from polymath.benchmarks.metaworld import seeds
from polymath.benchmarks.metaworld.robot import CAMERA_NAMES, EMBODIMENT, RENDERERS
from polymath.benchmarks.metaworld.scene.tasks import TASKS
from polymath.evaluation.benchmark import Benchmark, Plan
from polymath.workers.process import WorkerCommand

WORKER = "polymath.benchmarks.metaworld.worker"


def worker_command(plan: Plan) -> WorkerCommand:
    """How a worker of a complete plan is started."""
    options = ("--renderer", plan.renderer, "--image-size", str(plan.image_size), "--slots", str(plan.slots))
    return WorkerCommand(WORKER, (*options, "--cameras", *plan.cameras), plan.python)


BENCHMARK = Benchmark(
    name="metaworld",
    embodiment=EMBODIMENT,
    tasks=tuple(TASKS),
    splits={
        "seen": ("Seen tasks", "layouts never recorded"),
        "novel_objects": ("Novel objects", "colours, sizes and shapes never trained on"),
        "novel_environments": ("Novel environments", "table, light, camera pose and distractors never trained on"),
        "novel_instructions": ("Novel instructions", "the layouts of seen, the task in words never trained on"),
        "swapped_instructions": ("Swapped instructions", "the layouts of seen, told to do the other task of the scene"),
    },
    seeds=seeds.EVALUATION,
    worker=worker_command,
    cameras=CAMERA_NAMES,
    renderers=RENDERERS,
    protocol="metaworld, held-out layouts 1",
    extra="sim",
    simulator="metaworld",
)
