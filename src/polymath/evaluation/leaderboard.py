"""Many policies on one benchmark: how they stand, which pairs are separated, beside what others published.

Every pair is tested on the episodes that both ran (permutation test of the scores, which for successes is McNemar's),
or by Fisher's exact test where they share none. The p-values of a split are corrected together by Holm's method, so
that with probability 95 % none of the separations shown on that split is false.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from polymath.errors import PolymathError
from polymath.evaluation.comparison import Comparison, compare_split
from polymath.evaluation.log_files import Episodes, Log
from polymath.evaluation.statistics import Rate, bootstrap_mean, fisher, holm, letters

ALPHA = 0.05


@dataclass(frozen=True)
class Standing:
    """One policy on one split. Two policies that share a letter are not separated.

    `reached[k - 1]` are the episodes with a score of at least k, `score` is the mean score with its BCa interval; both
    are empty where the score is just success.
    """

    policy: str
    checkpoint: str
    hash: str
    rate: Rate
    letters: str = ""
    score: float | None = None
    score_interval: tuple[float, float] | None = None
    reached: tuple[Rate, ...] = ()


@dataclass(frozen=True)
class Pair:
    """Policies number `first` and `second` of a board; `p_value` as tested, `p_holm` corrected for all its pairs."""

    first: int
    second: int
    comparison: Comparison
    p_value: float
    p_holm: float

    @property
    def separated(self) -> bool:
        return self.p_holm <= ALPHA


@dataclass(frozen=True)
class Board:
    """One split, the best policy first: by mean score where scores are more than successes, else by rate."""

    split: str
    standings: tuple[Standing, ...]
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...] = ()


def leaderboard(logs: Sequence[Log], levels: int = 1) -> list[Board]:
    """A board per split, in order of first occurrence. Raises PolymathError if no split has two policies."""
    splits = dict.fromkeys(key.split for log in logs for key in log.episodes)
    boards = [_board(split, logs, levels) for split in splits]
    if all(len(board.standings) < 2 for board in boards):
        raise PolymathError("compare: no two evaluations share a split; evaluate all on the same benchmark first")
    return boards


def _board(split: str, logs: Sequence[Log], levels: int) -> Board:
    sides = {log.label: {k: result for k, result in log.episodes.items() if k.split == split} for log in logs}
    present = [log for log in logs if sides[log.label]]
    standings = sorted((_standing(log, sides[log.label], levels) for log in present), key=_order)
    numbers = list(itertools.combinations(range(len(standings)), 2))
    ordered = [sides[standing.policy] for standing in standings]
    comparisons = [compare_split(split, ordered[first], ordered[second], levels) for first, second in numbers]
    raw = [_p_value(comparison) for comparison in comparisons]
    pairs = tuple(
        Pair(*pair, comparison, p_value, corrected)
        for pair, comparison, p_value, corrected in zip(numbers, comparisons, raw, holm(raw), strict=True)
    )
    marks = letters(len(standings), {(pair.first, pair.second) for pair in pairs if pair.separated})
    named = tuple(replace(standing, letters=mark) for standing, mark in zip(standings, marks, strict=True))
    return Board(split, named, pairs, tuple(_notes(named, pairs)))


def _standing(log: Log, episodes: Episodes, levels: int) -> Standing:
    rate = Rate.of(result.success for result in episodes.values())
    scores = [result.score for result in episodes.values()]
    plain = Standing(log.label, log.identity.checkpoint, log.identity.hash, rate)
    if levels == 1 and all(result.score == result.success for result in episodes.values()):
        return plain
    return replace(
        plain,
        score=math.fsum(scores) / len(scores),
        score_interval=bootstrap_mean(scores, bounds=(0, levels)),
        reached=tuple(Rate.of(score >= k for score in scores) for k in range(1, levels + 1)) if levels > 1 else (),
    )


def _order(standing: Standing) -> tuple[float, float, str]:
    best = standing.rate.rate if standing.score is None else standing.score
    return -best, -standing.rate.rate, standing.policy


def _p_value(comparison: Comparison) -> float:
    if comparison.p_value is None:
        return fisher(comparison.a, comparison.b)
    return comparison.p_value if comparison.score is None else comparison.score.p_value or 0.0


def _notes(standings: Sequence[Standing], pairs: Sequence[Pair]) -> Iterator[str]:
    """What a reader must know before believing the board."""
    unpaired = sum(pair.comparison.pairs == 0 for pair in pairs)
    if unpaired:
        yield (
            f"{unpaired} of {len(pairs)} pairs share no episode: they are compared as independent samples, with "
            "Fisher's test, which finds less than a paired one."
        )
    partial = sum(
        0 < pair.comparison.pairs < max(standings[n].rate.episodes for n in (pair.first, pair.second)) for pair in pairs
    )
    if partial:
        yield (
            f"{partial} of {len(pairs)} pairs share only some of their episodes; the test takes those, the rates take "
            "all."
        )
