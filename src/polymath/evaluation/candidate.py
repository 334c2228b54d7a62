"""The policy that is evaluated: a run directory, a registered or a served policy, or any object that answers.

Another package registers a policy through the entry point group `polymath.policies`: a function that takes the
`Benchmark` and returns the policy, so that it can be made for the benchmark's robot.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from pathlib import Path
from typing import Any

from polymath import plugins
from polymath.errors import ConfigError, did_you_mean
from polymath.evaluation.baselines import RandomPolicy
from polymath.evaluation.benchmark import Benchmark, Plan
from polymath.policy.decoding import HEAD, Decoding, Dtype
from polymath.policy.probes import Probe, probed
from polymath.policy.remote.address import is_address
from polymath.policy.session import Acting, Policy, with_sessions
from polymath.types import Conventions, Embodiment

GROUP = "polymath.policies"
PolicyFactory = Callable[[Benchmark], Policy | Acting]


@dataclass(frozen=True)
class Candidate:
    """`name` stands in results and file names, `checkpoint` says which weights the policy has.

    `weights` is a hash of what those weights and their statistics contain, `decode` how actions come out of the model.
    `execute` is the number of actions between two observations that the policy counts on: those of the history that it
    was trained with, or 1 for a server that plays its chunks back itself; None where any number will do.
    `trained_on` is the identity of the renderer of its training data, `embodiment` the robot that it drives; None where
    the policy does not say. `image_size` and `cameras` are those of its training; 0 and () leave them to the benchmark.
    """

    name: str
    policy: Policy | Acting
    checkpoint: str = ""
    trained_on: str | None = None
    embodiment: Embodiment | None = None
    image_size: int = 0
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


def random_policy(benchmark: Benchmark) -> Acting:
    """Uniform actions for the benchmark's robot, in chunks of four."""
    return RandomPolicy(benchmark.embodiment.action_dim, chunk_length=4)


BUILT_IN: dict[str, PolicyFactory] = {"random": random_policy}


def find_candidate(
    policy: str | Path | Policy | Acting,
    benchmark: Benchmark,
    name: str | None = None,
    dtype: Dtype | None = None,
    decoding: Decoding | None = None,
    key_file: Path | None = None,
) -> Candidate:
    """The candidate behind a run directory, the name of a registered policy, the URL of a served one, or an object.

    `key_file` holds the key of a server that asks for one. A directory that has the name of a registered policy is
    written ./NAME. `dtype` in which a run's weights are held. `decoding` of its answers: the action head if left out.
    Raises ConfigError if there is neither, if the run is incomplete, if the object is no policy, or if what is for
    runs alone is chosen for another policy.
    """
    if not isinstance(policy, str | Path):
        if decoding is not None:
            raise ConfigError("decode: the policy is loaded already; choose it where the policy is made (load_policy)")
        return of_object(policy, name)
    text = str(policy)
    if isinstance(policy, str) and is_address(text):
        check_is_no_run(text, dtype, decoding)
        from polymath.evaluation.remote_candidate import of_address

        return of_address(text, name, key_file)
    if key_file is not None:
        raise ConfigError(f"--key-file: policy {text} is not served, so it asks for no key; leave it out")
    if isinstance(policy, str) and text in {**BUILT_IN, **plugins.entries(GROUP)}:
        check_is_no_run(text, dtype, decoding)
        factory = plugins.find(GROUP, text, Callable, BUILT_IN)  # type: ignore[arg-type]
        policy = plugins.called(GROUP, text, factory, benchmark)  # type: ignore[arg-type]
        return replace(of_object(policy, None), name=name or text)
    if not Path(policy).is_dir():
        hint = did_you_mean(text, [*BUILT_IN, *plugins.entries(GROUP)])
        raise ConfigError(f"--policy {text}: no such run directory, nor a registered policy; {hint}")
    from polymath.evaluation.run_candidate import of_run

    return of_run(Path(policy), name, dtype, decoding or HEAD)


def check_is_no_run(text: str, dtype: Dtype | None, decoding: Decoding | None) -> None:
    """Raise ConfigError for what can be chosen for run directories alone."""
    if dtype is not None:
        raise ConfigError(f"--dtype {dtype}: policy {text} is no run directory, so it has no weights to hold otherwise")
    if decoding is not None:
        raise ConfigError(f"--decode {decoding.label}: policy {text} is no run directory; it answers in its own way")


def of_object(policy: Any, name: str | None = None) -> Candidate:
    """Any object with `name`, and `act(observations) -> chunks` or `open` and `answer` (`polymath.policy.session`).

    Raises ConfigError naming what it lacks.
    """
    if hasattr(policy, "run"):
        from polymath.evaluation.run_candidate import is_of_a_run, of_run_policy

        if is_of_a_run(policy):
            return of_run_policy(policy, name)
    own_name = getattr(policy, "name", None)
    with_sessions(policy)
    if not isinstance(name or own_name, str):
        raise ConfigError(f"policy {policy!r}: has no name; give it the attribute name, or choose one for the results")
    return Candidate(name or str(own_name), policy)


def with_probe(candidate: Candidate, probe: Probe) -> Candidate:
    """The same candidate behind a probe, as NAME-blind or NAME-deaf. Raises ConfigError for an unknown probe."""
    name = f"{candidate.name}-{probe}"
    hidden = probed(candidate.policy, probe, name)
    checkpoint, weights = (text and f"{text}/{probe}" for text in (candidate.checkpoint, candidate.weights))
    return replace(candidate, name=name, policy=hidden, checkpoint=checkpoint, weights=weights)


def with_usual_execute(plan: Plan, candidate: Candidate) -> Plan:
    """A plan that leaves `execute` open: a policy with a history decides it."""
    return replace(plan, execute=candidate.execute or plan.execute)
