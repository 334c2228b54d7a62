"""Demonstrations of a benchmark's scripted experts, from worker processes into a LeRobotDataset v3.0.

    plan ─► jobs (task, split, seed, noise) ─► Demonstrate in the workers ─► episodes in the order of the jobs
                                                                              ├─► LeRobotDataset v3.0
                                                                              └─► the benchmark's own layout

In every second episode of a task the executed action is disturbed while the recorded one stays the expert's answer, so
that the data teaches how to come back to the path (DART: Laskey et al. 2017, arXiv:1703.09327). An episode in which the
expert failed is counted and drawn again, so the bytes do not depend on the number of workers.

Each episode's metadata holds what `reset_to` needs to begin it again (`initial`), which is what a replay reads.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

import numpy as np

from polymath.data.formats.lerobot.writer import LeRobotWriter
from polymath.data.robots.cameras import with_cameras
from polymath.errors import ConfigError, DataError, did_you_mean
from polymath.evaluation.benchmark import Benchmark, Plan
from polymath.progress import progress_bar
from polymath.types import Episode
from polymath.workers.pool import Lost, Place, WorkerPool
from polymath_worker.protocol import Demonstration, Hello

ATTEMPTS = 10
SEEDS_PER_RECORDING = 1_000_000
AHEAD = 4
"""Demonstrations of each simulator that may wait in memory for an earlier one."""
START_TIMEOUT, TIMEOUT = 300.0, 600.0


class Job(NamedTuple):
    """One episode to record; attempt k plays seed + k * stride."""

    task: str
    split: str
    seed: int
    stride: int
    noise: float

    def seed_of(self, attempt: int) -> int:
        return self.seed + attempt * self.stride


class Recorded(NamedTuple):
    """A job's first successful demonstration, its seed, and the number of failures before it."""

    job: Job
    seed: int
    failures: int
    demonstration: Demonstration


class OwnLayoutWriter(Protocol):
    """A writer of the benchmark's own data-set layout, used in a `with` statement."""

    def add(self, episode: Episode, extras: Mapping[str, np.ndarray]) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass(frozen=True)
class Recording:
    """What `record` wrote: `failures` counts, per task, the expert's failed episodes, which were drawn again."""

    path: Path
    episodes: int
    frames: int
    failures: dict[str, int] = field(default_factory=dict)


def record(
    benchmark: Benchmark,
    plan: Plan,
    out: Path,
    noise: float = 0.3,
    video: bool = False,
    own_layout: Callable[[], OwnLayoutWriter] | None = None,
) -> Recording:
    """Record `plan.episodes` successful episodes of each task and split into the new directory `out`.

    `noise` is the standard deviation of the disturbance, in units of the action. Of the plan are used tasks (if empty,
    the standard ones that the expert can do, or else all that it can do), splits, episodes, seed, renderer, image_size,
    cameras, options, workers and python. Raises ConfigError for what the benchmark does not have, DataError where the
    expert keeps failing, WorkerError for a simulator that fails, PolymathError if `out` exists or the disk is full; on
    an error nothing is written.
    """
    plan = _complete(benchmark, plan, noise)
    jobs = jobs_of(plan, noise)
    command = benchmark.worker(replace(plan, python=benchmark.interpreter(plan)))
    embodiment, _ = with_cameras(benchmark.embodiment, plan.cameras, benchmark.name)
    failures = dict.fromkeys(plan.tasks, 0)
    episodes = frames = 0
    with ExitStack() as stack:
        pool = stack.enter_context(WorkerPool(command, min(plan.workers, len(jobs)), START_TIMEOUT, TIMEOUT))
        metadata = _metadata(pool.hello, plan, noise)
        fps = int(embodiment.control_hz)
        writer = stack.enter_context(LeRobotWriter(out, embodiment, fps, pool.hello.image_size, video, metadata))
        own = None if own_layout is None else stack.enter_context(own_layout())
        bar = stack.enter_context(progress_bar("recording", len(jobs)))
        for recorded in demonstrations(pool, jobs):
            episode = episode_of(recorded, embodiment.name, pool.hello.renderer)
            writer.add(episode)
            if own is not None:
                own.add(episode, recorded.demonstration.extras)
            failures[episode.task] += recorded.failures
            episodes, frames = episodes + 1, frames + len(episode.actions)
            bar.advance()
    return Recording(Path(out), episodes, frames, failures)


def jobs_of(plan: Plan, noise: float) -> list[Job]:
    """The plan's episodes, split by split and task by task; every second one is disturbed."""
    first = plan.seed * SEEDS_PER_RECORDING
    return [
        Job(task, split, first + index, plan.episodes, noise * (index % 2))
        for split in plan.splits
        for task in plan.tasks
        for index in range(plan.episodes)
    ]


def demonstrations(pool: WorkerPool, jobs: Sequence[Job]) -> Iterator[Recorded]:
    """Each job's first success, in the order of `jobs`. Raises DataError where the expert failed ATTEMPTS times."""
    free, working = list(pool.places), dict[Place, tuple[int, int]]()  # (index of the job, attempt)
    ready: dict[int, Recorded] = {}
    most_waiting = AHEAD * len(pool.places)
    following = 0

    def ask(place: Place, index: int, attempt: int) -> None:
        job = jobs[index]
        working[place] = index, attempt
        pool.demonstrate(place, job.task, job.split, job.seed_of(attempt), job.noise)

    for next_out in range(len(jobs)):
        while next_out not in ready:
            while free and following < min(len(jobs), next_out + most_waiting):
                ask(free.pop(0), following, 0)
                following += 1
            for place, answer in pool.receive_demonstrations():
                index, attempt = working.pop(place)
                if isinstance(answer, Lost):
                    ask(place, index, attempt)
                elif answer.success:
                    ready[index] = Recorded(jobs[index], jobs[index].seed_of(attempt), attempt, answer)
                    free.append(place)
                else:
                    _check_attempts(jobs[index], attempt + 1)
                    ask(place, index, attempt + 1)
        yield ready.pop(next_out)


def episode_of(recorded: Recorded, embodiment: str, renderer: str) -> Episode:
    """The demonstration as an episode, with what plays it again in its metadata."""
    job, demonstration = recorded.job, recorded.demonstration
    return Episode(
        images=demonstration.images,
        states=demonstration.states,
        actions=demonstration.actions,
        instruction=demonstration.instruction,
        task=job.task,
        embodiment=embodiment,
        metadata={
            "split": job.split,
            "seed": recorded.seed,
            "action_noise": job.noise,
            "renderer": renderer,
            "initial": json.dumps(demonstration.initial.tolist()),
        },
    )


def _check_attempts(job: Job, attempts: int) -> None:
    if attempts == ATTEMPTS:
        raise DataError(
            f"task {job.task!r}, split {job.split!r}, seed {job.seed}: the scripted expert failed on {ATTEMPTS} scenes "
            f"in a row; lower the action noise ({job.noise:g}), or leave the task out"
        )


def _complete(benchmark: Benchmark, plan: Plan, noise: float) -> Plan:
    """The plan with the benchmark's choices, its tasks among those that can be demonstrated."""
    if not benchmark.demonstrable:
        raise ConfigError(f"benchmark {benchmark.name}: has no scripted expert, so nothing can be recorded")
    if not np.isfinite(noise) or noise < 0:
        raise ConfigError(f"action noise {noise!r}: choose a number of at least 0")
    usual_tasks = [task for task in benchmark.standard_tasks if task in benchmark.demonstrable]
    tasks = plan.tasks or tuple(usual_tasks) or benchmark.demonstrable
    usual = benchmark.complete(replace(plan, tasks=tasks, episodes=0, seed=0))
    for task in usual.tasks:
        if task not in benchmark.demonstrable:
            hint = did_you_mean(task, benchmark.demonstrable)
            raise ConfigError(f"task {task!r}: no scripted expert of benchmark {benchmark.name} does it; {hint}")
    if not 1 <= plan.episodes <= SEEDS_PER_RECORDING // ATTEMPTS or plan.seed < 0:
        raise ConfigError(
            f"episodes {plan.episodes}, seed {plan.seed}: choose 1 to {SEEDS_PER_RECORDING // ATTEMPTS} episodes for "
            "each task and split, and a seed of at least 0"
        )
    if not usual.image_size:
        raise ConfigError(
            f"image_size 0: the cameras of {benchmark.name} differ in size; choose one for all, such as 64"
        )
    return replace(usual, episodes=plan.episodes, seed=plan.seed, slots=1)


def _metadata(hello: Hello, plan: Plan, noise: float) -> dict[str, Any]:
    return {
        "simulator": hello.benchmark,
        "demonstrations": "own, by scripted experts; not the benchmark's published demonstrations",
        "renderer": hello.renderer,
        "identity": hello.identity,
        "splits": list(plan.splits),
        "tasks": list(plan.tasks),
        "episodes_per_task_and_split": plan.episodes,
        "seed": plan.seed,
        "action_noise": noise,
        "options": dict(plan.options),
    }
