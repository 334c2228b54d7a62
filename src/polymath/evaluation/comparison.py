"""Which of two policies is better: on the same episodes where both ran them, else on their rates."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from polymath.errors import DataError, PolymathError
from polymath.evaluation.episode_log import read_episodes
from polymath.evaluation.identity import check_comparable
from polymath.evaluation.statistics import Rate, difference, mcnemar, paired_difference
from polymath.policy.session import EpisodeKey


@dataclass(frozen=True)
class Comparison:
    """A minus B on one split.

    Where both ran the same (task, split, seed), only those `pairs` episodes count: `only_a` and `only_b` were solved by
    one of the two, `p_value` is McNemar's exact one, `interval` that of paired proportions. Otherwise pairs = 0, all
    episodes count as independent and `p_value` is None.
    """

    split: str
    a: Rate
    b: Rate
    pairs: int
    only_a: int
    only_b: int
    interval: tuple[float, float]
    p_value: float | None

    @property
    def difference(self) -> float:
        return self.a.rate - self.b.rate


def compare(a: Mapping[EpisodeKey, bool], b: Mapping[EpisodeKey, bool]) -> list[Comparison]:
    """Compare the successes of two policies split by split. Raises PolymathError if they share no split."""
    splits = sorted({key.split for key in a} & {key.split for key in b})
    if not splits:
        raise PolymathError("compare: the two evaluations share no split; evaluate both on the same benchmark first")
    return [_compare_split(split, a, b) for split in splits]


def compare_runs(
    a: Path, b: Path, allow_mixed_renderers: bool = False, allow: Collection[str] = ()
) -> list[Comparison]:
    """Compare two evaluations: episode logs, or directories whose episodes/ holds one log.

    Raises ConfigError naming the field of their identities, but the policy's own, in which they differ (unless `allow`
    names it, or it is the renderer and `allow_mixed_renderers`), DataError if a log is missing or cannot be read.
    """
    (first, left), (second, right) = (read_episodes(_episode_log(Path(side))) for side in (a, b))
    allowed = (*allow, "renderer") if allow_mixed_renderers else tuple(allow)
    check_comparable(first, second, (str(a), str(b)), allowed)
    outcomes = [{key: result.success for key, result in side.items()} for side in (left, right)]
    return compare(*outcomes)


def _episode_log(path: Path) -> Path:
    """`path` itself, or the only log below it. Raises DataError if there is none or more than one."""
    if not path.is_dir():
        return path
    logs = sorted([*path.glob("episodes/*.jsonl"), *path.glob("evaluation/episodes/*.jsonl")])
    if len(logs) != 1:
        names = ", ".join(str(log.relative_to(path)) for log in logs) or "none"
        raise DataError(f"{path}: name one episode log of this directory (found {names})")
    return logs[0]


def _compare_split(split: str, a: Mapping[EpisodeKey, bool], b: Mapping[EpisodeKey, bool]) -> Comparison:
    a, b = ({key: success for key, success in side.items() if key.split == split} for side in (a, b))
    common = a.keys() & b.keys()
    if not common:
        rate_a, rate_b = Rate.of(a.values()), Rate.of(b.values())
        return Comparison(split, rate_a, rate_b, 0, 0, 0, difference(rate_a, rate_b), None)
    only_a = sum(a[key] and not b[key] for key in common)
    only_b = sum(b[key] and not a[key] for key in common)
    return Comparison(
        split=split,
        a=Rate.of(a[key] for key in common),
        b=Rate.of(b[key] for key in common),
        pairs=len(common),
        only_a=only_a,
        only_b=only_b,
        interval=paired_difference(only_a, only_b, len(common)),
        p_value=mcnemar(only_a, only_b),
    )
