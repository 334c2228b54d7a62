"""An evaluation that stops as soon as it is separated from another one, and whose error stays at most alpha.

After every episode the e-value of the paired differences is looked at (`polymath.evaluation.statistics.anytime`); at
1/alpha the two are separated. That holds at any time only if the order of the episodes is fixed before their results
are known, so:

  - the order is drawn from the plan's seed: tasks are mixed, so that policies which are equal on the whole but not on
    each task look equal from the start;
  - episodes count in that order, not as they end. A success ends sooner than a failure, so those that have ended are
    a biased sample; one that overtakes others waits for them, and is dropped if the test decides before its turn.

OUT/episodes/POLICY.sequential.json   what was tested, and what came out
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from polymath import config
from polymath.errors import ConfigError
from polymath.evaluation.episode_log import read_episodes
from polymath.evaluation.episode_result import EpisodeResult
from polymath.evaluation.identity import Identity, check_comparable
from polymath.evaluation.log_files import Episodes
from polymath.evaluation.statistics import confidence_sequence, e_value
from polymath.policy.session import EpisodeKey

_MAY_DIFFER = ("image_size", "cameras")


@dataclass(frozen=True)
class Opponent:
    """The episode log of another policy, to be separated from at level `alpha`."""

    log: Path
    alpha: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.alpha <= 0.5:
            raise ConfigError(f"alpha {self.alpha}: choose a level above 0 and up to 0.5, such as 0.05")


@dataclass(frozen=True)
class Verdict:
    """How a sequential evaluation ended.

    against       the other policy, with the identity of its result
    planned       the pairs that there could have been; `pairs` were needed
    decision      "better", "worse", or "undecided" after all of them
    mean          interval of the policy's mean score (its success rate where that is all), valid at any time
    difference    the same of its score minus the other's
    """

    against: str
    against_hash: str
    alpha: float
    planned: int
    pairs: int
    e_value: float
    decision: str
    mean: tuple[float, float]
    difference: tuple[float, float]


class Race:
    """The paired test of one evaluation against the episodes of another, one episode after the other."""

    def __init__(self, keys: Sequence[EpisodeKey], other: Episodes, levels: int, alpha: float) -> None:
        self.keys, self.decided = list(keys), False
        self._other, self._levels, self._alpha = other, levels, alpha
        self._ended: dict[EpisodeKey, EpisodeResult] = {}
        self._counted: list[EpisodeResult] = []

    @property
    def counted(self) -> list[EpisodeResult]:
        """The episodes that the test has used, in its order."""
        return list(self._counted)

    def add(self, result: EpisodeResult) -> list[EpisodeResult]:
        """Take an episode in whatever order they end; return those whose turn has come, until the test decides."""
        self._ended[result.key] = result
        ready = []
        while not self.decided and len(self._counted) < len(self.keys):
            following = self._ended.pop(self.keys[len(self._counted)], None)
            if following is None:
                break
            self._counted.append(following)
            ready.append(following)
            self.decided = self._e_value() >= 1 / self._alpha
        return ready

    def verdict(self, against: Identity) -> Verdict:
        """How it stands, which is how it ended if nothing is to come."""
        differences, levels = self._differences(), self._levels
        side = "better" if sum(differences) > 0 else "worse"
        return Verdict(
            against=against.policy,
            against_hash=against.hash,
            alpha=self._alpha,
            planned=len(self.keys),
            pairs=len(differences),
            e_value=self._e_value(),
            decision=side if self.decided else "undecided",
            mean=confidence_sequence([result.score for result in self._counted], (0, levels), self._alpha),
            difference=confidence_sequence(differences, (-levels, levels), self._alpha),
        )

    def _differences(self) -> list[float]:
        return [result.score - self._other[result.key].score for result in self._counted]

    def _e_value(self) -> float:
        return e_value(self._differences(), 0, (-self._levels, self._levels))


def race(
    opponent: Opponent, identity: Identity, keys: Sequence[EpisodeKey], levels: int, seed: int
) -> tuple[Race, Identity]:
    """The test of a planned evaluation, and the identity of its opponent's result.

    The episodes of the plan that the opponent ran, in an order drawn from `seed`. Raises ConfigError if the plan has
    several splits, if the opponent ran none of its episodes, or is not comparable; DataError if its log is not
    readable.
    """
    if len({key.split for key in keys}) > 1:
        raise ConfigError("--until-separated-from: decides on one split; name it with --splits")
    theirs, other = read_episodes(opponent.log)
    check_comparable(theirs, identity, (str(opponent.log), "this evaluation"), _MAY_DIFFER)
    common = [key for key in keys if key in other]
    if not common:
        raise ConfigError(
            f"--until-separated-from {opponent.log}: it ran none of these episodes; use its split, tasks and seed"
        )
    levels = max([levels, *(int(np.ceil(result.score)) for result in other.values())])
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(common))
    return Race([common[i] for i in order], other, levels, opponent.alpha), theirs


def remaining(course: Race, results: Iterable[EpisodeResult]) -> list[EpisodeKey]:
    """Take the episodes that there are already; return the keys that are still to run."""
    known = {result.key: result for result in results}
    for key in course.keys:
        if key in known:
            course.add(known[key])
    return [] if course.decided else [key for key in course.keys if key not in known]


def verdict_path(log: Path) -> Path:
    """Where the verdict of the evaluation with this episode log is."""
    return Path(log).with_suffix(".sequential.json")


def read_verdict(log: Path) -> Verdict | None:
    """How the evaluation with this log ended; None if it was not sequential. Raises ConfigError if it is damaged."""
    path = verdict_path(log)
    return config.load(Verdict, path) if path.exists() else None


def describe(verdict: Verdict, policy: str) -> str:
    """One or two sentences for a reader of the numbers."""
    low, high = verdict.mean
    outcome = {
        "better": f"{policy} is better than {verdict.against}",
        "worse": f"{policy} is worse than {verdict.against}",
        "undecided": f"{policy} and {verdict.against} are not separated",
    }[verdict.decision]
    return (
        f"Sequential test at level {verdict.alpha:g}: {outcome}, after {verdict.pairs} of {verdict.planned} pairs "
        f"(e = {verdict.e_value:.3g}). Intervals for a fixed number of episodes do not hold after stopping early; at "
        f"any time the mean is from {low:.3g} to {high:.3g}, the difference from {verdict.difference[0]:+.3g} to "
        f"{verdict.difference[1]:+.3g}."
    )
