"""What the verdicts say, once all of them are there: rates of each policy, and pairs of policies compared."""

from dataclasses import dataclass
from itertools import combinations

from polymath.errors import DataError
from polymath.evaluation.statistics import Rate, mcnemar, paired_difference
from polymath.evaluation.trials.log import TrialLog
from polymath.evaluation.trials.plan import TrialPlan


@dataclass(frozen=True)
class PolicyResult:
    """One policy over all trials; `interval` is Wilson's at 95 %, `score` the mean of the scores."""

    policy: str
    checkpoint: str
    successes: int
    trials: int
    rate: float
    interval: tuple[float, float]
    score: float
    per_task: dict[str, float]


@dataclass(frozen=True)
class Pair:
    """Rate of `a` minus that of `b` over the same arrangements, its 95 % interval and McNemar's exact p."""

    a: str
    b: str
    difference: float
    interval: tuple[float, float]
    only_a: int
    only_b: int
    p: float


@dataclass(frozen=True)
class TrialResults:
    """`order[k]` is the policy of trial k + 1, which the person who judged did not know."""

    policies: tuple[PolicyResult, ...]
    pairs: tuple[Pair, ...]
    order: tuple[str, ...]


def results(plan: TrialPlan, log: TrialLog) -> TrialResults:
    """Raises DataError while a trial has no verdict: the order would no longer be hidden from who judges the rest."""
    trials = plan.order()
    missing = [trial.number for trial in trials if trial.number not in log.verdicts]
    if missing:
        raise DataError(f"{log.path}: {len(missing)} of {len(trials)} trials have no verdict; run them first")
    solved = {(trial.policy, trial.task, trial.arrangement): log.verdicts[trial.number].success for trial in trials}
    rows = []
    for name, checkpoint in zip(plan.policies, plan.checkpoints, strict=True):
        rate = Rate.of(success for (policy, *_), success in solved.items() if policy == name)
        scores = [log.verdicts[trial.number].score for trial in trials if trial.policy == name]
        per_task = {
            task: Rate.of(s for (policy, of, _), s in solved.items() if policy == name and of == task).rate
            for task in plan.tasks
        }
        row = PolicyResult(
            name,
            checkpoint,
            rate.successes,
            rate.episodes,
            rate.rate,
            rate.interval,
            sum(scores) / len(scores),
            per_task,
        )
        rows.append(row)
    return TrialResults(
        policies=tuple(rows),
        pairs=tuple(_pair(plan, solved, a, b) for a, b in combinations(plan.policies, 2)),
        order=tuple(trial.policy for trial in trials),
    )


def _pair(plan: TrialPlan, solved: dict[tuple[str, str, int], bool], a: str, b: str) -> Pair:
    scenes = [(task, arrangement) for task in plan.tasks for arrangement in range(1, plan.arrangements + 1)]
    outcomes = [(solved[a, *scene], solved[b, *scene]) for scene in scenes]
    only_a = sum(x and not y for x, y in outcomes)
    only_b = sum(y and not x for x, y in outcomes)
    return Pair(
        a,
        b,
        (only_a - only_b) / len(scenes),
        paired_difference(only_a, only_b, len(scenes)),
        only_a,
        only_b,
        mcnemar(only_a, only_b),
    )
