"""What an evaluation knows of the policy that it evaluates, and whether it fits the benchmark."""

from dataclasses import dataclass, fields, replace
from operator import attrgetter

from polymath.data.files.images import Fit
from polymath.errors import ConfigError
from polymath.evaluation.benchmark import Benchmark, Plan
from polymath.policy.probes import Probe, probed
from polymath.policy.session import Acting, Policy
from polymath.types import Conventions, Embodiment


@dataclass(frozen=True)
class Candidate:
    """`name` stands in results and file names, `checkpoint` says which weights the policy has.

    `weights` is a hash of what those weights and their statistics contain, `decode` how actions come out of the model.
    `execute` is the number of actions between two observations that the policy counts on: those of the history that it
    was trained with, or 1 for a server that plays its chunks back itself; None where any number will do.
    `trained_on` is the identity of the renderer of its training data, `embodiment` the robot that it drives; None where
    the policy does not say. `image_size` and `cameras` are those of its training; 0 and () leave them to the benchmark.
    `image_fit`: how recorded pictures become squares of that size.
    """

    name: str
    policy: Policy | Acting
    checkpoint: str = ""
    trained_on: str | None = None
    embodiment: Embodiment | None = None
    image_size: int = 0
    image_fit: Fit = "stretch"
    cameras: tuple[str, ...] = ()
    weights: str = ""
    decode: str = ""
    execute: int | None = None

    def completed(self, plan: Plan, benchmark: Benchmark) -> Plan:
        """The plan with the pictures that this policy was trained on.

        Raises ConfigError, with both sides, if it drives another robot, reads the robot's numbers otherwise, or has a
        history of observations that lie further apart, or closer together, than those of the plan.
        """
        self.check_execute(plan.execute)
        if self.embodiment is not None:
            check_robot(f"policy {self.name}", self.embodiment, benchmark)
        return replace(plan, image_size=plan.image_size or self.image_size, cameras=plan.cameras or self.cameras)

    def check_execute(self, execute: int) -> None:
        """Raise ConfigError, with both sides, if the policy counts on another number of actions in between."""
        if self.execute in (None, execute):
            return
        reason = f"was trained with {self.execute} actions between the observations of its history (layout.stride)"
        if self.decode == "vla-eval":
            reason = "is asked at every control step, as its server plays its chunks back itself"
        raise ConfigError(f"policy {self.name}: {reason}, but execute is {execute}; choose --execute {self.execute}")


def check_robot(owner: str, trained: Embodiment, benchmark: Benchmark) -> None:
    """Raise ConfigError, with both sides, unless `owner`'s robot is the benchmark's and its numbers mean the same."""
    robot = benchmark.embodiment
    if trained.name != robot.name:
        raise ConfigError(
            f"{owner} drives robot {trained.name!r}, but benchmark {benchmark.name} has {robot.name!r}; "
            "evaluate it on a benchmark of its own robot"
        )
    checked = ["state_names", "action_names", "gripper_dims", "control_hz"]
    if trained.conventions is None or robot.conventions is None:
        checked += ["state_space", "action_space"]  # all that they say about units and frames
    else:
        checked += [f"conventions.{each.name}" for each in fields(Conventions) if each.name != "roles"]
    for name in checked:
        theirs, ours = (attrgetter(name)(each) for each in (trained, robot))
        if theirs != ours:
            raise ConfigError(
                f"{owner}: {name} of robot {robot.name} is {theirs!r}, but benchmark {benchmark.name} has {ours!r}; "
                "use demonstrations of this convention"
            )


def with_probe(candidate: Candidate, probe: Probe) -> Candidate:
    """The same candidate behind a probe, as NAME-blind or NAME-deaf. Raises ConfigError for an unknown probe."""
    name = f"{candidate.name}-{probe}"
    hidden = probed(candidate.policy, probe, name)
    checkpoint, weights = (text and f"{text}/{probe}" for text in (candidate.checkpoint, candidate.weights))
    return replace(candidate, name=name, policy=hidden, checkpoint=checkpoint, weights=weights)


def with_usual_execute(plan: Plan, candidate: Candidate) -> Plan:
    """A plan that leaves `execute` open: a policy with a history decides it."""
    return replace(plan, execute=candidate.execute or plan.execute)
