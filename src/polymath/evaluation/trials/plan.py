"""The order of the trials: blinded, paired, random.

Every arrangement of a task's objects is played by each policy once, one after the other, in an order drawn for the
arrangement; so what drifts (light, a warm motor, a tired person) meets all policies alike, and results are compared
pair by pair. The arrangements themselves come in a random order over all tasks.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from polymath.errors import ConfigError


class Trial(NamedTuple):
    """`number` counts from 1 and is all that the person who judges is told of the policy."""

    number: int
    task: str
    arrangement: int
    policy: str


@dataclass(frozen=True)
class TrialPlan:
    """What is run. Two logs belong together only if all of it is equal.

    policies       names, two or more for a comparison
    arrangements   of each task's objects; each is played once by every policy
    seed           of the order
    execute        actions of each chunk that are executed before the policy is asked again
    robot          what the robot's worker is, such as "widowx (my_lab.widowx_worker)"
    checkpoints    which weights each policy has, in the order of `policies`
    """

    policies: tuple[str, ...]
    tasks: tuple[str, ...]
    arrangements: int
    seed: int
    execute: int
    robot: str
    checkpoints: tuple[str, ...]

    def __post_init__(self) -> None:
        """Raises ConfigError for a plan without trials or with a name twice."""
        for field, names in (("policies", self.policies), ("tasks", self.tasks)):
            if not names or len(set(names)) < len(names) or not all(name.strip() for name in names):
                raise ConfigError(f"{field} {', '.join(names) or '(none)'}: name at least one, each once")
        for field in ("arrangements", "execute"):
            if getattr(self, field) < 1:
                raise ConfigError(f"{field} {getattr(self, field)}: choose at least 1")
        if self.seed < 0:
            raise ConfigError(f"seed {self.seed}: choose 0 or more")

    def order(self) -> list[Trial]:
        """All trials in the order in which they are run."""
        rng = np.random.Generator(np.random.PCG64(self.seed))
        blocks = [(task, arrangement) for task in self.tasks for arrangement in range(1, self.arrangements + 1)]
        trials: list[Trial] = []
        for block in rng.permutation(len(blocks)):
            task, arrangement = blocks[block]
            for policy in rng.permutation(len(self.policies)):
                trials.append(Trial(len(trials) + 1, task, arrangement, self.policies[policy]))
        return trials
