"""CALVIN: chains of five instructions in the official simulator, by the official rules.

split   scene: D is the benchmark's; A, B and C are those in which ABC and ABCD policies are trained
task    "chain", an official chain of five subtasks, of which the episode's seed is the index; or one subtask alone

D, ABC and ABCD of the published tables say in which scenes a policy was trained; all are evaluated in scene D.
"""

from pathlib import Path

from polymath.benchmarks.calvin.chains import CHAINS, sentences
from polymath.benchmarks.calvin.published import PUBLISHED
from polymath.benchmarks.calvin.robot import EMBODIMENT, PICTURE_SIZES, RENDERERS
from polymath.benchmarks.calvin.rules import CHAIN_LENGTH
from polymath.benchmarks.calvin.setup import SETUP
from polymath.evaluation.benchmark import Benchmark, Plan
from polymath.workers.process import WorkerCommand

SIMULATOR = Path(__file__).parent / "simulator"


def worker_command(plan: Plan) -> WorkerCommand:
    """How a worker of a complete plan is started; it holds one scene, since pybullet's robot code allows no second."""
    options = ("--renderer", plan.renderer, "--image-size", str(plan.image_size), "--cameras", *plan.cameras)
    options += ("--picture-every", plan.options["picture_every"])
    return WorkerCommand("calvin_worker", options, BENCHMARK.interpreter(plan), (str(SIMULATOR),))


BENCHMARK = Benchmark(
    name="calvin",
    embodiment=EMBODIMENT,
    tasks=("chain", *sentences()),
    standard_tasks=("chain",),
    splits={
        "D": ("Scene D", "the official evaluation, whichever scenes the policy was trained in"),
        "A": ("Scene A", "the chains of scene D with the furniture of A; not part of the official evaluation"),
        "B": ("Scene B", "the chains of scene D with the furniture of B; not part of the official evaluation"),
        "C": ("Scene C", "the chains of scene D with the furniture of C; not part of the official evaluation"),
    },
    standard_splits=("D",),
    seeds=range(CHAINS),
    worker=worker_command,
    renderers=RENDERERS,
    image_size=0,
    picture_sizes=PICTURE_SIZES,
    episodes=CHAINS,
    seeds_per_block=CHAINS,
    levels=CHAIN_LENGTH,
    protocol="calvin long-horizon 1",
    published=PUBLISHED,
    setup=SETUP,
    demonstrable=tuple(sentences()),
    options={"picture_every": "1"},
)
