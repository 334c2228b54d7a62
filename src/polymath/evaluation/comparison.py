"""Which of two policies is better: on the same episodes where both ran them, else on their rates."""

import math
import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from polymath.errors import PolymathError
from polymath.evaluation.log_files import Episodes, read_logs
from polymath.evaluation.statistics import (
    Rate,
    bootstrap_mean,
    difference,
    e_value,
    independent_episodes,
    mcnemar,
    paired_difference,
    paired_episodes,
    paired_mean,
    permutation_test,
    score_episodes,
)
from polymath.policy.session import EpisodeKey


@dataclass(frozen=True)
class ScoreComparison:
    """Mean scores of A and B, such as CALVIN's average length, and A minus B with its interval at 95 %.

    Paired: BCa bootstrap of whole pairs, and the p-value of the permutation test. Otherwise the interval is made from
    both means' own (G. Zou, A. Donner, Statistics in Medicine 27 (2008) 1693) and `p_value` is None.
    """

    mean_a: float
    mean_b: float
    interval: tuple[float, float]
    p_value: float | None

    @property
    def difference(self) -> float:
        return self.mean_a - self.mean_b


@dataclass(frozen=True)
class Comparison:
    """A minus B on one split.

    Where both ran the same (task, split, seed), only those `pairs` episodes count: `only_a` and `only_b` were solved by
    one of the two, `p_value` is McNemar's exact one, `interval` that of paired proportions, and `e_value` the evidence
    against equality that stays valid however often one looked. Otherwise pairs = 0, all episodes count as independent,
    `p_value` and `e_value` are None.

    `to_separate`: the episodes (pairs, or of each policy) with which a difference of the observed size is found in four
    of five comparisons at the 5 % level; None where there is no difference. `score`: None if scores are just successes;
    otherwise the e-value is that of the scores, and so is `to_separate` of pairs.
    """

    split: str
    a: Rate
    b: Rate
    pairs: int
    only_a: int
    only_b: int
    interval: tuple[float, float]
    p_value: float | None
    e_value: float | None = None
    to_separate: int | None = None
    score: ScoreComparison | None = None

    @property
    def difference(self) -> float:
        return self.a.rate - self.b.rate


def compare(a: Episodes, b: Episodes, levels: int = 1) -> list[Comparison]:
    """Compare two policies on every split that both have; scores count from 0 to `levels`.

    Raises PolymathError if they share no split.
    """
    splits = sorted({key.split for key in a} & {key.split for key in b})
    if not splits:
        raise PolymathError("compare: the two evaluations share no split; evaluate both on the same benchmark first")
    return [compare_split(split, a, b, levels) for split in splits]


def compare_runs(
    a: Path, b: Path, allow_mixed_renderers: bool = False, allow: Collection[str] = (), levels: int | None = None
) -> list[Comparison]:
    """Compare two evaluations: episode logs, or directories whose episodes/ holds one log.

    `levels` is the greatest score there can be; that of the logs if left out. Raises ConfigError and DataError as
    `read_logs` does.
    """
    logs = read_logs((a, b), (*allow, "renderer") if allow_mixed_renderers else tuple(allow))
    first, second = (log.episodes for log in logs)
    return compare(first, second, levels or greatest_score(first, second))


def greatest_score(*sides: Episodes) -> int:
    """The greatest score of any episode, rounded up; at least 1."""
    return max([1, *(math.ceil(episode.score) for side in sides for episode in side.values())])


def compare_split(split: str, a: Episodes, b: Episodes, levels: int = 1) -> Comparison:
    """Compare two policies on one split, which both have. A score above `levels` raises what there can be."""
    a, b = ({key: result for key, result in side.items() if key.split == split} for side in (a, b))
    levels = max(levels, greatest_score(a, b))
    common = sorted(a.keys() & b.keys())
    return _paired(split, a, b, common, levels) if common else _independent(split, a, b, levels)


def _paired(split: str, a: Episodes, b: Episodes, common: Sequence[EpisodeKey], levels: int) -> Comparison:
    only_a = sum(a[key].success and not b[key].success for key in common)
    only_b = sum(b[key].success and not a[key].success for key in common)
    scores_a, scores_b = ([side[key].score for key in common] for side in (a, b))
    differences = [x - y for x, y in zip(scores_a, scores_b, strict=True)]
    score, to_separate = None, paired_episodes(only_a / len(common), only_b / len(common))
    if _beyond_success(a, b):
        interval = paired_mean(scores_a, scores_b, limit=levels)
        to_separate = score_episodes(math.fsum(differences) / len(common), statistics.pstdev(differences))
        score = ScoreComparison(*_means(scores_a, scores_b), interval, permutation_test(scores_a, scores_b))
    return Comparison(
        split=split,
        a=Rate.of(a[key].success for key in common),
        b=Rate.of(b[key].success for key in common),
        pairs=len(common),
        only_a=only_a,
        only_b=only_b,
        interval=paired_difference(only_a, only_b, len(common)),
        p_value=mcnemar(only_a, only_b),
        e_value=e_value(differences, 0, (-levels, levels)),
        to_separate=to_separate,
        score=score,
    )


def _independent(split: str, a: Episodes, b: Episodes, levels: int) -> Comparison:
    rate_a, rate_b = (Rate.of(result.success for result in side.values()) for side in (a, b))
    score = None
    if _beyond_success(a, b):
        scores = [[result.score for result in side.values()] for side in (a, b)]
        (low_a, high_a), (low_b, high_b) = (bootstrap_mean(each, bounds=(0, levels)) for each in scores)
        mean_a, mean_b = _means(*scores)
        low = mean_a - mean_b - math.hypot(mean_a - low_a, high_b - mean_b)
        high = mean_a - mean_b + math.hypot(high_a - mean_a, mean_b - low_b)
        score = ScoreComparison(mean_a, mean_b, (low, high), None)
    return Comparison(
        split=split,
        a=rate_a,
        b=rate_b,
        pairs=0,
        only_a=0,
        only_b=0,
        interval=difference(rate_a, rate_b),
        p_value=None,
        to_separate=independent_episodes(rate_a.rate, rate_b.rate),
        score=score,
    )


def _beyond_success(*sides: Episodes) -> bool:
    """Whether scores say more than the successes do."""
    return any(result.score != result.success for side in sides for result in side.values())


def _means(a: Sequence[float], b: Sequence[float]) -> tuple[float, float]:
    return math.fsum(a) / len(a), math.fsum(b) / len(b)
