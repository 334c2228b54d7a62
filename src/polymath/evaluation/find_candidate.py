"""What `--policy` names, as a candidate: a run directory, a registered or a served policy, or any object that answers.

Another package registers a policy through the entry point group `polymath.policies`: a function that takes the
`Benchmark` and returns the policy, so that it can be made for the benchmark's robot.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from polymath import plugins
from polymath.errors import ConfigError, did_you_mean
from polymath.evaluation.baselines import RandomPolicy
from polymath.evaluation.benchmark import Benchmark
from polymath.evaluation.candidate import Candidate
from polymath.policy.decoding import HEAD, Decoding, Dtype
from polymath.policy.remote.address import is_address
from polymath.policy.session import Acting, Policy, with_sessions
from polymath.training.checkpoint_choice import NEWEST

GROUP = "polymath.policies"
PolicyFactory = Callable[[Benchmark], Policy | Acting]


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
    checkpoint: str | int = NEWEST,
) -> Candidate:
    """The candidate behind a run directory, the name of a registered policy, the URL of a served one, or an object.

    `key_file` holds the key of a server that asks for one. A directory that has the name of a registered policy is
    written ./NAME. `dtype` in which a run's weights are held. `decoding` of its answers: the action head if left out.
    `checkpoint` of a run: "newest", "best" on its held-out episodes, or a step.
    Raises ConfigError if there is neither, if the run is incomplete, if the object is no policy, or if what is for
    runs alone is chosen for another policy.
    """
    if not isinstance(policy, str | Path):
        chosen = None if checkpoint == NEWEST else checkpoint
        for option, value in (("decode", decoding), ("dtype", dtype), ("key_file", key_file), ("checkpoint", chosen)):
            if value is not None:
                raise ConfigError(
                    f"{option}: the policy is loaded already; choose it where the policy is made (load_policy)"
                )
        return of_object(policy, name, benchmark.embodiment.name)
    text = str(policy)
    if isinstance(policy, str) and is_address(text):
        check_is_no_run(text, dtype, decoding, checkpoint)
        from polymath.evaluation.remote_candidate import of_address

        return of_address(text, name, key_file)
    check_needs_no_key(text, key_file)
    if isinstance(policy, str) and text in {**BUILT_IN, **plugins.entries(GROUP)}:
        check_is_no_run(text, dtype, decoding, checkpoint)
        factory = plugins.find(GROUP, text, Callable, BUILT_IN)  # type: ignore[arg-type]
        policy = plugins.called(GROUP, text, factory, benchmark)  # type: ignore[arg-type]
        return replace(of_object(policy, None, benchmark.embodiment.name), name=name or text)
    if not Path(policy).is_dir():
        hint = did_you_mean(text, [*BUILT_IN, *plugins.entries(GROUP)])
        raise ConfigError(f"--policy {text}: no such run directory, nor a registered policy; {hint}")
    from polymath.evaluation.run_candidate import of_run

    return of_run(Path(policy), name, dtype, decoding or HEAD, checkpoint, benchmark.embodiment.name)


def check_is_no_run(text: str, dtype: Dtype | None, decoding: Decoding | None, checkpoint: str | int = NEWEST) -> None:
    """Raise ConfigError for what can be chosen for run directories alone."""
    if checkpoint != NEWEST:
        raise ConfigError(
            f"--checkpoint {checkpoint}: policy {text} is no run directory, so it has no checkpoints here"
        )
    if dtype is not None:
        raise ConfigError(f"--dtype {dtype}: policy {text} is no run directory, so it has no weights to hold otherwise")
    if decoding is not None:
        raise ConfigError(f"--decode {decoding.label}: policy {text} is no run directory; it answers in its own way")


def check_needs_no_key(text: str, key_file: Path | None) -> None:
    """Raise ConfigError for the key of a policy that is not served."""
    if key_file is not None:
        raise ConfigError(f"--key-file: policy {text} is not served, so it asks for no key; leave it out")


def of_object(policy: Any, name: str | None = None, embodiment: str | None = None) -> Candidate:
    """Any object with `name`, and `act(observations) -> chunks` or `open` and `answer` (`polymath.policy.session`).

    embodiment: which robot of a loaded run of several. Raises ConfigError naming what it lacks.
    """
    if hasattr(policy, "run"):
        from polymath.evaluation.run_candidate import is_of_a_run, of_run_policy
        from polymath.policy.several import SeveralRobots

        if isinstance(policy, SeveralRobots):
            policy = policy.of(embodiment)
        if is_of_a_run(policy):
            return of_run_policy(policy, name)
    own_name = getattr(policy, "name", None)
    with_sessions(policy)
    if not isinstance(name or own_name, str):
        raise ConfigError(f"policy {policy!r}: has no name; give it the attribute name, or choose one for the results")
    return Candidate(name or str(own_name), policy)
