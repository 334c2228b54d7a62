"""`polymath eval real`."""

import sys
from pathlib import Path

from polymath.commands.output import percent, percent_range, print_json, print_table


def real(
    policies: tuple[str, ...],
    tasks: tuple[str, ...],
    robot: str,
    out: Path,
    arrangements: int = 10,
    seed: int = 0,
    execute: int = 2,
    robot_arguments: tuple[str, ...] = (),
    python: Path | None = None,
    key_file: Path | None = None,
    embodiment: str | None = None,
    json: bool = False,
) -> int:
    """Policies on a real robot, judged by a person who is not told which of them plays.

    Every arrangement of a task is played by each policy, in a random order; run again, it continues. The order, the
    rates and the paired comparisons are shown when all trials are judged. Ends with status 1 before that.

    Example: polymath eval real --policies run-a run-b --tasks "lift the cup" --robot my_lab.worker --out trials

    Args:
        policies: Run directories, and served policies as for `polymath eval`.
        tasks: What the robot's worker is told at the beginning of a trial, such as the instruction.
        robot: The module of the robot's worker: `python -m MODULE` that speaks the worker protocol.
        out: Where trials.jsonl, videos/ and at last results.json are written.
        arrangements: Of each task's objects.
        seed: Of the order.
        execute: Actions executed of each chunk before the policy is asked again.
        robot_arguments: Further arguments of the robot's worker.
        python: The interpreter of the robot's worker; this one if left out.
        key_file: The key of a server that asks for one; $POLYMATH_SERVER_KEY if left out.
        embodiment: The robot, by its name, of runs that were trained for several.
        json: Print the results as one JSON object.
    """
    import json as text

    from polymath import config
    from polymath.evaluation.find_candidate import check_needs_no_key
    from polymath.evaluation.remote_candidate import of_address
    from polymath.evaluation.run_candidate import of_run
    from polymath.evaluation.trials.log import TrialLog
    from polymath.evaluation.trials.operator import Terminal
    from polymath.evaluation.trials.plan import TrialPlan
    from polymath.evaluation.trials.results import results
    from polymath.evaluation.trials.run import run_trials
    from polymath.files import atomic_write
    from polymath.policy.remote.address import is_address
    from polymath.policy.session import with_sessions
    from polymath.workers.pool import WorkerCommand, WorkerPool

    if not any(is_address(policy) for policy in policies):
        check_needs_no_key(", ".join(policies), key_file)
    candidates = [
        of_address(policy, None, key_file) if is_address(policy) else of_run(Path(policy), embodiment=embodiment)
        for policy in policies
    ]
    for candidate in candidates:
        candidate.check_execute(execute)
    command = WorkerCommand(robot, robot_arguments, sys.executable if python is None else str(python))
    plan = TrialPlan(
        policies=tuple(candidate.name for candidate in candidates),
        tasks=tasks,
        arrangements=arrangements,
        seed=seed,
        execute=execute,
        robot=" ".join((robot, *robot_arguments)),
        checkpoints=tuple(candidate.checkpoint for candidate in candidates),
    )
    log = TrialLog(out / "trials.jsonl", plan)
    if len(log.verdicts) < len(plan.order()):
        sessions = {candidate.name: with_sessions(candidate.policy) for candidate in candidates}
        with WorkerPool(command, 1) as pool:
            finished = run_trials(plan, sessions, pool, log, Terminal(), out / "videos")
        if not finished:
            left = len(plan.order()) - len(log.verdicts)
            print(f"{left} of {len(plan.order())} trials are left; run the same command to go on")
            return 1
    outcome = results(plan, log)
    with atomic_write(out / "results.json") as temporary:
        temporary.write_text(text.dumps(config.to_dict(outcome), indent=2) + "\n")
    if json:
        print_json(config.to_dict(outcome))
        return 0
    print_table(
        ["policy", "successes", "trials", "rate", "95 % interval", "mean score"],
        [
            [row.policy, row.successes, row.trials, percent(row.rate), percent_range(row.interval), f"{row.score:.2f}"]
            for row in outcome.policies
        ],
    )
    for pair in outcome.pairs:
        print(
            f"\n{pair.a} minus {pair.b}: {percent(pair.difference)} (95 % {percent_range(pair.interval)}), "
            f"only {pair.a} {pair.only_a}, only {pair.b} {pair.only_b}, p = {pair.p:.2g}"
        )
    print(out / "results.json")
    return 0
