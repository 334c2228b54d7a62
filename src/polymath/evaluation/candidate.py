"""The policy that is evaluated: a run directory, a registered policy, or any object that answers observations.

Another package registers a policy through the entry point group `polymath.policies`: a function that takes the
`Benchmark` and returns the policy, so that it can be made for the benchmark's robot.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polymath import config, plugins
from polymath.errors import ConfigError, did_you_mean
from polymath.evaluation.baselines import RandomPolicy
from polymath.evaluation.benchmark import Benchmark, Plan
from polymath.policy.session import Acting, Policy, with_sessions
from polymath.types import Conventions, Embodiment

if TYPE_CHECKING:
    from polymath.training.run import Run

GROUP = "polymath.policies"
PolicyFactory = Callable[[Benchmark], Policy | Acting]


@dataclass(frozen=True)
class Candidate:
    """`name` stands in results and file names, `checkpoint` says which weights the policy has.

    `weights` is a hash of what those weights and their statistics contain, `decode` how actions come out of the model.
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

    def completed(self, plan: Plan, benchmark: Benchmark) -> Plan:
        """The plan with the pictures that this policy was trained on.

        Raises ConfigError, with both sides, if it drives another robot or reads the robot's numbers otherwise.
        """
        if self.embodiment is not None:
            _check_robot(self.name, self.embodiment, benchmark)
        return replace(plan, image_size=plan.image_size or self.image_size, cameras=plan.cameras or self.cameras)


def _check_robot(policy: str, trained: Embodiment, benchmark: Benchmark) -> None:
    robot = benchmark.embodiment
    if trained.name != robot.name:
        raise ConfigError(
            f"policy {policy} drives robot {trained.name!r}, but benchmark {benchmark.name} has {robot.name!r}; "
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
                f"policy {policy}: was trained with {name} {theirs!r} of robot {robot.name}, but benchmark "
                f"{benchmark.name} has {ours!r}; train on demonstrations of this convention"
            )


def random_policy(benchmark: Benchmark) -> Acting:
    """Uniform actions for the benchmark's robot, in chunks of four."""
    return RandomPolicy(benchmark.embodiment.action_dim, chunk_length=4)


BUILT_IN: dict[str, PolicyFactory] = {"random": random_policy}


def find_candidate(
    policy: str | Path | Policy | Acting, benchmark: Benchmark, name: str | None = None, int8: bool = False
) -> Candidate:
    """The candidate behind a run directory, the name of a registered policy, or an object.

    A directory that has the name of a registered policy is written ./NAME. `int8`: hold a run's weights in 8 bits.
    Raises ConfigError if there is neither, if the run is incomplete, or if the object is no policy.
    """
    if not isinstance(policy, str | Path):
        return of_object(policy, name)
    text = str(policy)
    if isinstance(policy, str) and text in {**BUILT_IN, **plugins.entries(GROUP)}:
        if int8:
            raise ConfigError(f"--int8: policy {text} is no run directory, so it has no weights to hold in 8 bits")
        factory = plugins.find(GROUP, text, Callable, BUILT_IN)  # type: ignore[arg-type]
        policy = plugins.called(GROUP, text, factory, benchmark)  # type: ignore[arg-type]
        return replace(of_object(policy, None), name=name or text)
    if not Path(policy).is_dir():
        hint = did_you_mean(text, [*BUILT_IN, *plugins.entries(GROUP)])
        raise ConfigError(f"--policy {text}: no such run directory, nor a registered policy; {hint}")
    return of_run(Path(policy), name, int8)


def of_object(policy: Any, name: str | None = None) -> Candidate:
    """Any object with `name`, and `act(observations) -> chunks` or `open` and `answer` (`polymath.policy.session`).

    Raises ConfigError naming what it lacks.
    """
    if _is_of_a_run(policy):
        return _of_run_policy(policy, name)
    own_name = getattr(policy, "name", None)
    with_sessions(policy)
    if not isinstance(name or own_name, str):
        raise ConfigError(f"policy {policy!r}: has no name; give it the attribute name, or choose one for the results")
    return Candidate(name or str(own_name), policy)


def of_run(path: Path, name: str | None = None, int8: bool = False) -> Candidate:
    """The newest robot weights of a run directory. Raises ConfigError or CheckpointError if it is incomplete."""
    from polymath.policy import Policy as RunPolicy

    loaded = RunPolicy.load(path, name)
    if not int8:
        return _of_run_policy(loaded, None)
    candidate = _of_run_policy(loaded.in_int8(), None)
    weights = candidate.weights and f"{candidate.weights}/int8"
    return replace(candidate, checkpoint=f"{candidate.checkpoint}/int8", weights=weights)


def _is_of_a_run(policy: Any) -> bool:
    run = getattr(policy, "run", None)
    if run is None:
        return False
    from polymath.training.run import Run

    return isinstance(run, Run)


def _of_run_policy(policy: Any, name: str | None) -> Candidate:
    from polymath.training.checkpoints import latest_step

    run = policy.run
    step = latest_step(run.checkpoints("robot"))
    return Candidate(
        name=name or policy.name,
        policy=policy,
        checkpoint=f"{run.path.resolve().name}/robot/{step or 0}",
        trained_on=run.data.renderer,
        embodiment=run.embodiment,
        image_size=run.recipe.layout.image_size,
        cameras=run.embodiment.cameras,
        weights="" if step is None else _content(run),
    )


def _content(run: "Run") -> str:
    """16 hexadecimal digits of the weights and of all that turns observations into their input and back."""
    from polymath.training.checkpoints import weights_digest

    parts: list[Any] = [weights_digest(run.checkpoints("robot"))]
    if not parts[0]:  # a checkpoint without checksums
        return ""
    recipe = run.recipe
    parts += [config.to_dict(part) for part in (run.statistics, run.embodiment, recipe.layout, recipe.ablation)]
    text = json.dumps(parts, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
