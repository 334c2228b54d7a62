"""What a benchmark is to the harness: tasks, splits, held-out seeds, a robot, and how its simulators are started.

    BENCHMARK = Benchmark(
        name="point", embodiment=POINT, tasks=("left", "right"), splits={"seen": ("Seen", "as in training")},
        seeds=range(1_000_000, 2_000_000), worker=lambda plan: WorkerCommand("my_package.worker", python=plan.python),
    )

Another package offers one through the entry point group `polymath.benchmarks`; `polymath eval NAME` then runs it.
"""

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from polymath.errors import ConfigError, did_you_mean
from polymath.policy.session import EpisodeKey
from polymath.types import Embodiment
from polymath.workers.interpreter import simulator_python, variable
from polymath.workers.process import WorkerCommand
from polymath.workers.setup import Setup

FILE_NAME = re.compile(r"\w[\w.-]*")


@dataclass(frozen=True)
class Plan:
    """What one evaluation runs. `workers` and `slots` (simulators of one process) change the speed, never the results.

    An empty tuple, an empty text and 0 stand for the benchmark's own choice; `complete` fills them in.

    tasks, splits   names of the benchmark's; its standard ones if empty, which are all of most benchmarks
    episodes        for each task and split
    execute         actions of each chunk that are executed before the policy is asked again
    seed            which block of held-out seeds
    image_size      pixels of a picture's side
    options         further options of the benchmark, by name
    python          the interpreter that has the simulator; the benchmark's own if empty
    """

    tasks: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    episodes: int = 0
    execute: int = 2
    seed: int = 0
    renderer: str = ""
    image_size: int = 0
    cameras: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    workers: int = 2
    slots: int = 0
    python: str = ""


@dataclass(frozen=True)
class Published:
    """A result that others published, such as numbers = {"average length": 3.2}; `source` is its citation."""

    method: str
    setting: str
    numbers: Mapping[str, float]
    source: str


@dataclass(frozen=True)
class Benchmark:
    """A benchmark, without its simulator: constructing one needs none of the simulator's packages.

    embodiment       the robot; its cameras are those that a policy without wishes of its own is shown
    splits           name -> title and one-line description, in the order of every table; the first one is filmed
    seeds            of held-out episodes; an evaluation's `seed` chooses a block of `seeds_per_block` of them
    worker           the command that starts one simulator process for a complete plan (see `polymath_worker`)
    cameras          all that can be rendered; those of the embodiment if empty
    renderers        names, the usual one first
    slots            simulators of one process, see Plan; fewer where a scene takes much memory
    options          further options of `polymath eval NAME --option`, with their defaults
    groups           name -> tasks; a group's name stands for its tasks in a plan
    levels           the score counts 0 to `levels` (subtasks of a chain); 1: success or not
    protocol         name and version of the rules, part of a result's identity
    published        results of others on this benchmark
    setup            how `polymath setup NAME` makes the simulator's environment; None: it shares our interpreter
    demonstrable     tasks that the simulator's expert can demonstrate
    standard_tasks   those of a plan that names no task, such as the official protocol's; all if empty
    standard_splits  likewise
    extra            the extra of this distribution that brings the simulator's packages, if one does
    simulator        a module that must be there, if the simulator shares our interpreter
    picture_sizes    camera -> (height, width) in pixels, of a benchmark whose usual image size is 0: each camera's own
    """

    name: str
    embodiment: Embodiment
    tasks: tuple[str, ...]
    splits: Mapping[str, tuple[str, str]]
    seeds: range
    worker: Callable[[Plan], WorkerCommand]
    cameras: tuple[str, ...] = ()
    renderers: tuple[str, ...] = ("default",)
    image_size: int = 64
    episodes: int = 10
    slots: int = 8
    seeds_per_block: int = 1000
    options: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    levels: int = 1
    protocol: str = ""
    published: tuple[Published, ...] = ()
    setup: Setup | None = None
    demonstrable: tuple[str, ...] = ()
    standard_tasks: tuple[str, ...] = ()
    standard_splits: tuple[str, ...] = ()
    extra: str = ""
    simulator: str = ""
    picture_sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises ConfigError for a description that cannot be run, or with names that cannot name files."""
        kinds = (("name", [self.name]), ("task", self.tasks), ("split", self.splits), ("group", self.groups))
        for kind, names in kinds:
            for name in names:
                if not FILE_NAME.fullmatch(name):
                    raise ConfigError(f"benchmark {self.name!r}: {kind} {name!r} names files; use letters, digits, ._-")
        for part in ("tasks", "splits", "renderers"):
            if not getattr(self, part):
                raise ConfigError(f"benchmark {self.name!r}: {part} is empty; name at least one")
        if not 1 <= self.seeds_per_block <= len(self.seeds) or self.seeds.step != 1:
            raise ConfigError(
                f"benchmark {self.name!r}: {self.seeds} holds no block of {self.seeds_per_block} seeds; "
                "set seeds and seeds_per_block"
            )

        for group, tasks in self.groups.items():
            if not tasks or group in self.tasks or not set(tasks) <= set(self.tasks):
                raise ConfigError(
                    f"benchmark {self.name!r}: group {group!r} must have another name than any task and hold tasks only"
                )
        self._check("task", self.standard_tasks, self.tasks)
        self._check("split", self.standard_splits, tuple(self.splits))
        if self.levels < 1 or not set(self.demonstrable) <= set(self.tasks):
            raise ConfigError(f"benchmark {self.name!r}: levels must be at least 1 and demonstrable hold tasks only")

    def complete(self, plan: Plan) -> Plan:
        """The plan with this benchmark's choices where it leaves them open. Raises ConfigError for impossible ones."""
        known = self.cameras or self.embodiment.cameras
        self._check("task", plan.tasks, (*self.tasks, *self.groups))
        self._check("split", plan.splits, tuple(self.splits))
        self._check("camera", plan.cameras, known)
        self._check("renderer", (plan.renderer,) if plan.renderer else (), self.renderers)
        self._check("option", tuple(plan.options), tuple(self.options))
        at_least = {"execute": 1, "workers": 1, "slots": 0, "episodes": 0, "seed": 0, "image_size": 0}
        for name, least in at_least.items():
            value = getattr(plan, name)
            if type(value) is not int or value < least:
                raise ConfigError(
                    f"{name} {value!r}: choose a whole number of at least {max(least, int(name != 'seed'))}"
                )
        tasks = plan.tasks or self.standard_tasks or self.tasks
        complete = replace(
            plan,
            tasks=tuple(dict.fromkeys(task for name in tasks for task in self.groups.get(name, (name,)))),
            splits=tuple(dict.fromkeys(plan.splits or self.standard_splits or self.splits)),
            episodes=plan.episodes or self.episodes,
            slots=plan.slots or self.slots,
            renderer=plan.renderer or self.renderers[0],
            image_size=plan.image_size or self.image_size,
            cameras=plan.cameras or self.embodiment.cameras,
            options={**self.options, **plan.options},
        )
        blocks = len(self.seeds) // self.seeds_per_block
        if not 1 <= complete.episodes <= self.seeds_per_block or not 0 <= complete.seed < blocks:
            raise ConfigError(
                f"episodes {complete.episodes}, seed {complete.seed}: choose 1 to {self.seeds_per_block} episodes per "
                f"task and split, and a seed from 0 to {blocks - 1}"
            )
        return complete

    def picture_size(self, plan: Plan, camera: str) -> tuple[int, int]:
        """Height and width of that camera's pictures under a complete plan; (0, 0) where only the simulator knows."""
        return (plan.image_size, plan.image_size) if plan.image_size else self.picture_sizes.get(camera, (0, 0))

    def interpreter(self, plan: Plan) -> str:
        """The plan's, else the one that has the simulator. Raises ConfigError with the command that makes it."""
        if plan.python:
            return plan.python
        if self.setup is None and variable(self.name) not in os.environ:
            return sys.executable
        return simulator_python(self.setup.name if self.setup else self.name)

    def episode_keys(self, plan: Plan) -> list[EpisodeKey]:
        """All episodes of the plan, split by split and task by task. Raises ConfigError as `complete` does."""
        plan = self.complete(plan)
        first = self.seeds.start + plan.seed * self.seeds_per_block
        seeds = range(first, first + plan.episodes)
        return [EpisodeKey(task, split, seed) for split in plan.splits for task in plan.tasks for seed in seeds]

    def _check(self, kind: str, chosen: tuple[str, ...], known: tuple[str, ...]) -> None:
        for name in chosen:
            if name not in known:
                hint = did_you_mean(name, known) if known else "it has none"
                raise ConfigError(f"{kind} {name!r}: no such {kind} of benchmark {self.name}; {hint}")
