"""`polymath eval`."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional

from polymath.commands.again import command_line
from polymath.commands.output import percent, percent_range, print_json, print_table
from polymath.commands.replay import replay_demonstrations
from polymath.errors import ConfigError

if TYPE_CHECKING:
    from polymath.evaluation.results import Mean, Results


def evaluate(
    benchmark: Positional[str],
    policy: str | None = None,
    replay: str | None = None,
    out: Path | None = None,
    name: str | None = None,
    key_file: Path | None = None,
    tasks: tuple[str, ...] = (),
    splits: tuple[str, ...] = (),
    episodes: int | None = None,
    seed: int = 0,
    execute: int | None = None,
    decode: Literal["head", "tokens"] | None = None,
    temperature: float = 0.0,
    probe: tuple[Literal["blind", "deaf"], ...] = (),
    dtype: Literal["float32", "bf16", "int8"] | None = None,
    checkpoint: str = "newest",
    renderer: str | None = None,
    allow_mixed_renderers: bool = False,
    until_separated_from: Path | None = None,
    alpha: float = 0.05,
    option: tuple[str, ...] = (),
    python: Path | None = None,
    workers: int = os.cpu_count() or 1,
    json: bool = False,
) -> int:
    """Success rates on a benchmark, with Wilson 95 % intervals; run again, it continues where it stopped.

    metaworld is the embedded simulator: splits seen, novel_objects, novel_environments, novel_instructions and
    swapped_instructions; renderers ray (the usual one), egl and osmesa. Other packages add benchmarks and policies
    through entry points.

    With --replay it is a self-test instead: recorded demonstrations take the very path of a policy's actions, and must
    succeed again, on the states and pictures of the recording. Ends with status 1 if they do not.

    Example: polymath eval metaworld --policy run --tasks reach-left --splits seen --episodes 2

    Args:
        benchmark: The name of a benchmark; an unknown one lists what there is.
        policy: A run directory, the name of a registered policy, of which `random` is always there, or a served one:
            ws://HOST:PORT[/MODEL] (openpi's protocol), vla-eval+ws://HOST:PORT (vla-eval's); ?robot=NAME chooses the
            names of the inputs, ?wait=SECONDS how long a server that is gone is waited for.
        replay: Demonstrations, as `polymath train --data` names them; with --policy RUN they go through its transforms.
        out: Where results.json, report.html, episodes/ and videos/ are written; RUN/evaluation if left out.
        name: The policy's name in the results; that of the run directory, or the server's, if left out.
        key_file: The key of a server that asks for one; $POLYMATH_SERVER_KEY if left out.
        tasks: Names of tasks; all of them if left out.
        splits: Names of splits; all of them if left out.
        episodes: For each task and split; the benchmark's own number (metaworld: 10) if left out.
        seed: Chooses a block of held-out layouts.
        execute: Actions executed of each chunk before the policy is asked again; left out, 2, or the layout.stride
            of a run that remembers its former observations.
        decode: How a run answers: by its action head (left out), or by its action tokens, one by one; it then goes by
            NAME-tokens.
        temperature: Of the draws of action tokens; 0 takes the likeliest each time.
        probe: Evaluate the policy a second time on black pictures (blind) or without the instruction (deaf), as
            NAME-blind and NAME-deaf.
        dtype: Hold a run's weights in float32, bf16 or int8; left out, in what gives the answers of the trained weights
            in the least memory. One that changes the answers stands in the name, as NAME-int8.
        checkpoint: Of a run: newest, best on the episodes that it held out of its training, or a step. What is not the
            newest stands in the name, as NAME-best.
        renderer: That of the training data, or see the next option.
        allow_mixed_renderers: Let the pictures be drawn otherwise than in the training data.
        until_separated_from: The episode log of another policy that ran the same episodes of one split. The evaluation
            stops as soon as the two are separated, tested after each episode by a method that stays valid.
        alpha: The probability of a false separation there.
        option: Further settings of the benchmark, as name=value.
        python: The interpreter of the simulator's own environment; left out, $POLYMATH_<NAME>_PYTHON, then
            what `polymath setup` made; of a benchmark that needs none, this one.
        workers: Simulator processes; they change the speed, never the results.
        json: Print one JSON object, split -> policy -> result, instead of the table.
    """
    arguments = dict(locals())
    from polymath.benchmarks.registry import benchmark as find_benchmark
    from polymath.evaluation.benchmark import Plan
    from polymath.evaluation.candidate import with_probe, with_usual_execute
    from polymath.evaluation.find_candidate import find_candidate
    from polymath.evaluation.harness import run_benchmark
    from polymath.evaluation.report.evaluation import write_evaluation_report
    from polymath.evaluation.results import as_json
    from polymath.evaluation.sequential import Opponent
    from polymath.policy.decoding import Decoding

    opponent = None if until_separated_from is None else Opponent(until_separated_from, alpha)
    if opponent is not None and probe:
        raise ConfigError("--until-separated-from: tests one policy; evaluate probes by themselves")
    chosen = find_benchmark(benchmark)
    _check_usage(policy, replay, out)
    plan = Plan(
        tasks=tasks,
        splits=splits,
        episodes=_positive(episodes, chosen.episodes),
        execute=Plan().execute if execute is None else execute,
        seed=seed,
        renderer=renderer or "",
        options=_options(option),
        workers=workers,
        python="" if python is None else str(python),
    )
    if replay is not None:
        plan = replace(plan, episodes=episodes or 0, execute=execute or 0)
        return replay_demonstrations(chosen, plan, replay, policy, decode == "tokens", allow_mixed_renderers, json)
    assert policy is not None
    chosen.complete(plan)  # mistakes are named before the weights are read
    decoding = None if decode is None and temperature == 0 else Decoding(decode or "head", temperature)
    candidate = find_candidate(policy, chosen, name, dtype, decoding, key_file, checkpoint)
    if execute is None:
        plan = with_usual_execute(plan, candidate)
    out = out or Path(policy) / "evaluation"
    candidates = [candidate, *(with_probe(candidate, each) for each in dict.fromkeys(probe))]
    for each in candidates:
        results = run_benchmark(chosen, each, out, plan, allow_mixed_renderers, opponent)
    page = write_evaluation_report(chosen, candidate.name, out, command_line("eval", evaluate, arguments))
    names = [each.name for each in candidates]
    own = {split: {name: row[name] for name in names if name in row} for split, row in results.items()}
    own = {split: row for split, row in own.items() if row}
    if json:
        print_json({split: {name: as_json(entry) for name, entry in row.items()} for split, row in own.items()})
    else:
        _print_results(own)
        _print_provenance(own, candidate.name, out)
        print(f"{out / 'results.json'}\n{page}")
    return 0


def _check_usage(policy: str | None, replay: str | None, out: Path | None) -> None:
    """Raise ConfigError where nothing is to be evaluated, or no directory is there for the results."""
    from polymath.policy.remote.address import is_address

    if policy is None and replay is None:
        raise ConfigError("--policy: name a run directory or a registered policy, or demonstrations with --replay")
    if replay is None and out is None and not Path(str(policy)).is_dir():
        served = "is served" if is_address(str(policy)) else "no such run directory"
        raise ConfigError(f"--policy {policy}: {served}; a policy without a directory needs --out")


def _positive(episodes: int | None, usual: int) -> int:
    if episodes is not None and episodes < 1:
        raise ConfigError(f"--episodes {episodes}: choose at least 1")
    return episodes or usual


def _options(assignments: tuple[str, ...]) -> dict[str, str]:
    options = {}
    for assignment in assignments:
        key, separator, value = assignment.partition("=")
        if not separator:
            raise ConfigError(f"--option {assignment}: write it as name=value")
        options[key] = value
    return options


def _print_results(results: "Results") -> None:
    """One table of success rates; where scores or measures are counted, one of each below it."""
    entries = [(split, name, entry) for split, row in results.items() for name, entry in row.items()]
    rates = [[s, n, e.successes, e.episodes, percent(e.rate), percent_range(e.interval)] for s, n, e in entries]
    print_table(["split", "policy", "successes", "episodes", "rate", "95 % interval"], rates)
    if scored := [(split, name, entry) for split, name, entry in entries if entry.score]:
        levels = [f"≥ {k + 1}" for k in range(max(len(entry.levels) for _, _, entry in scored))]
        print()
        print_table(
            ["split", "policy", *levels, "mean score", "95 % interval"],
            [[s, n, *(percent(each.rate) for each in e.levels), *_mean(e.score)] for s, n, e in scored if e.score],
        )
    if measured := [[s, n, m, *_mean(mean)] for s, n, e in entries for m, mean in e.measures.items()]:
        print()
        print_table(["split", "policy", "measure", "mean", "95 % interval"], measured)


def _print_provenance(results: "Results", name: str, out: Path) -> None:
    """By which protocol they came about, and the verdict of a test against another policy."""
    from polymath.evaluation.sequential import describe, read_verdict

    for entry in next(iter(results.values()), {}).values():
        print(f"\nidentity {entry.identity.hash} (protocol {entry.identity.protocol_hash})")
    if verdict := read_verdict(out / "episodes" / f"{name}.jsonl"):
        print(describe(verdict, name))


def _mean(mean: "Mean") -> list[str]:
    return [f"{mean.mean:.2f}", f"{mean.interval[0]:.2f} to {mean.interval[1]:.2f}"]
