"""How an episode of an evaluation went."""

import math
from dataclasses import dataclass, field

from polymath.policy.session import EpisodeKey


@dataclass(frozen=True)
class EpisodeResult:
    """How one episode went: control steps taken, and wall seconds from reset to end (others ran beside it).

    `score` is what the benchmark counts, such as subtasks solved; float(success) if it is left out (NaN). `measures`
    are the benchmark's named numbers beside it.
    """

    key: EpisodeKey
    success: bool
    steps: int
    seconds: float
    instruction: str
    score: float = math.nan
    measures: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if math.isnan(self.score):
            object.__setattr__(self, "score", float(self.success))
