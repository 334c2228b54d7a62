"""Runs a policy on a benchmark: workers, episode log, videos, results. The one harness of all benchmarks.

OUT/results.json                  split -> policy -> rate and interval (see `results.py`)
OUT/episodes/POLICY.jsonl         every episode (see `episode_log.py`)
OUT/episodes/POLICY.sequential.json  how an evaluation ended that stops when it is decided (see `sequential.py`)
OUT/videos/POLICY/                the first episode of each task, and the first failures (see `film.py`)
"""

import contextlib
import importlib.util
import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from polymath import config, extras
from polymath.errors import ConfigError
from polymath.evaluation.benchmark import FILE_NAME, Benchmark, Plan
from polymath.evaluation.candidate import Candidate
from polymath.evaluation.episode_log import EpisodeLog
from polymath.evaluation.episode_result import EpisodeResult
from polymath.evaluation.film import Videos
from polymath.evaluation.identity import Identity, describe_robot
from polymath.evaluation.results import Results, summarise, update_results
from polymath.evaluation.rollout import EpisodeKey, run_episodes
from polymath.evaluation.sequential import Opponent, Race, race, remaining, verdict_path
from polymath.progress import progress_bar
from polymath.workers.pool import WorkerCommand, WorkerError, WorkerPool
from polymath_worker.protocol import Hello

_log = logging.getLogger(__name__)


def run_benchmark(
    benchmark: Benchmark,
    candidate: Candidate,
    out: Path,
    plan: Plan,
    allow_mixed_renderers: bool = False,
    opponent: Opponent | None = None,
) -> Results:
    """Run the candidate's policy and return all results in OUT, this policy's included.

    Episodes already in OUT/episodes are not run again, so an interrupted evaluation continues where it stopped. Where
    the plan leaves image size and cameras open, the candidate's are taken, then the benchmark's. With an `opponent` the
    evaluation ends as soon as the two are separated (see `sequential.py`).
    Raises ConfigError if pictures of another renderer would be mixed in (unless `allow_mixed_renderers`), if OUT holds
    episodes of this policy under another configuration, or if the policy drives another robot; WorkerError if a
    simulator fails.
    """
    if not FILE_NAME.fullmatch(candidate.name):
        raise ConfigError(
            f"policy name {candidate.name!r}: it names files, so use letters, digits, '.', '_' and '-' only"
        )
    plan = benchmark.complete(candidate.completed(plan, benchmark))
    keys = benchmark.episode_keys(plan)
    if Path(out).exists() and not Path(out).is_dir():
        raise ConfigError(f"{out}: is a file; name a directory for the results")
    with start_workers(benchmark, plan) as pool:
        if candidate.trained_on not in (None, pool.hello.renderer) and not allow_mixed_renderers:
            raise ConfigError(
                f"policy {candidate.name}: trained on pictures of {candidate.trained_on!r}, but this evaluation "
                f"renders with {pool.hello.renderer!r}; choose the training renderer, or allow mixing explicitly"
            )
        log = EpisodeLog(
            Path(out) / "episodes" / f"{candidate.name}.jsonl", _identity(benchmark, candidate, plan, pool.hello)
        )
        course, theirs = race(opponent, log.identity, keys, benchmark.levels, plan.seed) if opponent else (None, None)
        missing = remaining(course, log.results.values()) if course else [k for k in keys if k not in log.results]
        if len(missing) < len(keys) and not candidate.checkpoint:
            _log.warning(
                "%s: %d of %d episodes are there already; if this is another policy, give it a name of its own",
                log.path,
                len(keys) - len(missing),
                len(keys),
            )
        if missing:
            split, seed = next(iter(benchmark.splits)), keys[0].seed
            videos = Videos(Path(out) / "videos" / candidate.name, split, seed, pool.hello.control_hz)
            _run(benchmark, candidate, pool, missing, plan, log, videos, course)
    if course is None or theirs is None:
        verdict_path(log.path).unlink(missing_ok=True)
        episodes = [log.results[key] for key in keys]
    else:
        config.save(course.verdict(theirs), verdict_path(log.path))
        episodes = course.counted
    entries = summarise(log.identity, episodes, benchmark.levels)
    return update_results(Path(out) / "results.json", entries, allow_mixed_renderers)


@contextmanager
def start_workers(benchmark: Benchmark, plan: Plan) -> Iterator[WorkerPool]:
    """The simulators of a complete plan, checked to be what it says.

    Raises ConfigError if they are not, or if the simulator is not installed, WorkerError if they do not start.
    """
    _check_simulator(benchmark, plan)
    command = benchmark.worker(replace(plan, python=benchmark.interpreter(plan)))
    if not isinstance(command, WorkerCommand):
        raise ConfigError(f"benchmark {benchmark.name}: worker gave a {type(command).__name__}, not a WorkerCommand")
    with ExitStack() as stack:
        try:
            pool = stack.enter_context(WorkerPool(command, plan.workers))
        except WorkerError as error:
            if benchmark.setup is None:
                raise
            name = benchmark.setup.name
            raise WorkerError(f"{error}\n(`polymath setup {name}` makes, or completes, its environment)") from error
        _check_hello(benchmark, plan, pool.hello)
        yield pool


def _identity(benchmark: Benchmark, candidate: Candidate, plan: Plan, hello: Hello) -> Identity:
    return Identity(
        benchmark=hello.benchmark,
        policy=candidate.name,
        checkpoint=candidate.checkpoint,
        renderer=hello.renderer,
        image_size=plan.image_size,
        cameras=plan.cameras,
        execute=plan.execute,
        max_steps=hello.max_steps,
        options=dict(plan.options),
        protocol=benchmark.protocol,
        simulator=dict(hello.identity),
        robot=describe_robot(benchmark.embodiment),
        decode=candidate.decode,
        weights=candidate.weights,
    )


def _check_simulator(benchmark: Benchmark, plan: Plan) -> None:
    """Raise ConfigError naming the extra if the simulator's modules are not installed in our own environment."""
    if not benchmark.simulator or benchmark.interpreter(plan) != sys.executable:
        return
    if benchmark.extra in extras.MODULES:
        extras.require(benchmark.extra, f"benchmark {benchmark.name}")
    if importlib.util.find_spec(benchmark.simulator) is None:
        raise ConfigError(f"benchmark {benchmark.name} needs {benchmark.simulator}; install {benchmark.simulator}")


def _check_hello(benchmark: Benchmark, plan: Plan, hello: Hello) -> None:
    """Raise ConfigError, with both sides, unless the workers are what the benchmark says they are."""
    for field, theirs, ours in (
        ("benchmark", hello.benchmark, benchmark.name),
        ("image_size", hello.image_size, plan.image_size),
        ("cameras", tuple(hello.cameras), plan.cameras),
        ("tasks", tuple(task for task in plan.tasks if task in hello.tasks), plan.tasks),
    ):
        if theirs != ours:
            raise ConfigError(
                f"benchmark {benchmark.name}: its worker's {field} is {theirs!r}, but the plan asks for {ours!r}; "
                "the worker must follow the plan that it is started with"
            )


def _run(
    benchmark: Benchmark,
    candidate: Candidate,
    pool: WorkerPool,
    keys: list[EpisodeKey],
    plan: Plan,
    log: EpisodeLog,
    videos: Videos,
    course: Race | None,
) -> None:
    solved: list[bool] = []
    with progress_bar(f"{benchmark.name} · {candidate.name}", len(keys)) as bar:

        def keep(result: EpisodeResult, frames: np.ndarray) -> None:
            videos.keep(result, frames)
            for each in [result] if course is None else course.add(result):
                log.append(each)
            solved.append(result.success)
            bar.advance(status=f"success {sum(solved) / len(solved):.0%}")
            if course is not None and course.decided:
                raise _Decided

        with contextlib.suppress(_Decided):
            run_episodes(
                candidate.policy,
                pool,
                keys,
                plan.execute,
                keep,
                record=videos.records,
                action_dim=benchmark.embodiment.action_dim,
            )


class _Decided(Exception):
    """A sequential evaluation has its answer; the episodes under way are abandoned."""
