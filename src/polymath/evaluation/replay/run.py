"""Replays demonstrations in a benchmark's workers, and judges how well that went.

A replay passes where at least SUCCESS_RATE of the episodes succeed, no dimension of the state departs from the
recording by more than DEVIATION of the recorded motion (root mean square), and each camera's first picture is that of
the recording: at most PICTURE_DIFFERENCE (of 255) away from it, and not twice as near to another camera's.

Measured on Meta-World: deviations of 0.00 as recorded, 0.01 through action tokens, 0.3 for doubled deltas (most of
which the simulator clips), 0.5 for halved ones, 1 for a flipped gripper; pictures 0 as recorded, 16 upside down.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from polymath.data.interface import EpisodeSet
from polymath.errors import ConfigError
from polymath.evaluation.benchmark import Benchmark, Plan
from polymath.evaluation.candidate import check_robot
from polymath.evaluation.episode_result import EpisodeResult
from polymath.evaluation.harness import start_workers
from polymath.evaluation.replay.demonstrations import Recorded, replayable
from polymath.evaluation.replay.matches import CameraMatch, StateMatch, match_cameras, match_states
from polymath.evaluation.replay.policy import ReplayPolicy, ReplaySession, through
from polymath.evaluation.rollout import run_episodes
from polymath.evaluation.statistics import Rate
from polymath.progress import progress_bar
from polymath.training.run import Run
from polymath_worker.protocol import Hello

SUCCESS_RATE, DEVIATION, PICTURE_DIFFERENCE = 0.9, 0.2, 10.0


@dataclass(frozen=True)
class Replay:
    """How the replay went: successes by task, what was left out by reason, the matches, and what is wrong."""

    tasks: dict[str, Rate]
    left_out: dict[str, int]
    cameras: dict[str, CameraMatch]
    states: dict[str, StateMatch]
    problems: tuple[str, ...]

    @property
    def total(self) -> Rate:
        return Rate(sum(rate.successes for rate in self.tasks.values()), sum(r.episodes for r in self.tasks.values()))

    @property
    def passed(self) -> bool:
        return not self.problems


def replay(
    benchmark: Benchmark,
    demonstrations: EpisodeSet,
    plan: Plan,
    run: Run | None = None,
    tokens: bool = False,
    allow_mixed_renderers: bool = False,
) -> Replay:
    """Play the demonstrations of the plan's tasks and splits again.

    `plan.episodes` bounds those of each task and split, 0 for all; `plan.execute` 0 stands for the usual number. With
    `run` the actions go through its normalisation and back, with `tokens` through its action tokens too, and what the
    simulator shows must be what the run takes. Raises ConfigError, with both sides, for demonstrations of another robot
    or renderer (unless `allow_mixed_renderers`), DataError if none can be replayed, WorkerError if a simulator fails.
    """
    benchmark.complete(replace(plan, splits=(), episodes=1, execute=1))  # a recording may have splits of its own
    check_robot(f"set {demonstrations.name}", demonstrations.embodiment, benchmark)
    if run is not None:
        check_robot(f"run {run.path}", run.embodiment, benchmark)
    plan = replace(plan, execute=_execute(plan.execute, run))
    recorded, left_out = replayable(demonstrations, benchmark, plan)
    cameras = demonstrations.embodiment.cameras if run is None else run.embodiment.cameras
    size = len(next(iter(recorded[0].pictures.values()))) if run is None else run.recipe.layout.image_size
    complete = benchmark.complete(
        replace(
            plan,
            tasks=tuple(dict.fromkeys(each.key.task for each in recorded)),
            splits=(),
            cameras=plan.cameras or cameras,
            image_size=plan.image_size or size,
            episodes=1,
        )
    )
    policy = _policy(recorded, benchmark, plan.execute, run, tokens)
    results: list[EpisodeResult] = []
    initial = {each.key: each.initial for each in recorded}
    with start_workers(benchmark, complete) as pool, progress_bar(f"{benchmark.name} · replay", len(recorded)) as bar:
        if not allow_mixed_renderers:
            _check_renderer(recorded, pool.hello)

        def keep(result: EpisodeResult, frames: np.ndarray) -> None:
            results.append(result)
            bar.advance()

        keys = [each.key for each in recorded]
        action_dim = benchmark.embodiment.action_dim
        run_episodes(policy, pool, keys, plan.execute, keep, action_dim=action_dim, initial=lambda key: initial[key])
    tasks = {task: Rate.of(result.success for result in results if result.key.task == task) for task in complete.tasks}
    sessions = [session for session in policy.sessions.values() if session.observed]
    return _judged(tasks, left_out, sessions, benchmark)


def _execute(chosen: int, run: Run | None) -> int:
    """Actions executed at a time: of a run that remembers, its stride is usual. ConfigError beyond its chunks."""
    if run is None:
        return chosen or Plan().execute
    layout = run.recipe.layout
    if chosen > layout.chunk_length:
        raise ConfigError(f"--execute {chosen}: the chunks of run {run.path} hold {layout.chunk_length} actions")
    return chosen or (layout.stride if layout.window > 1 else Plan().execute)


def _policy(
    recorded: list[Recorded], benchmark: Benchmark, execute: int, run: Run | None, tokens: bool
) -> ReplayPolicy:
    if run is None:
        return ReplayPolicy(recorded, benchmark.embodiment, execute)
    transform = run.transform
    return ReplayPolicy(
        recorded,
        benchmark.embodiment,
        run.recipe.layout.chunk_length,
        through(transform, tokens),
        lambda seen: transform.prompt([seen]),
    )


def _check_renderer(recorded: list[Recorded], hello: Hello) -> None:
    for each in recorded:
        if each.renderer not in ("", hello.renderer):
            raise ConfigError(
                f"{each.name}: was recorded with renderer {each.renderer!r}, this replay renders with "
                f"{hello.renderer!r}; choose the recording's renderer, or allow mixing explicitly"
            )


def _judged(
    tasks: dict[str, Rate], left_out: dict[str, int], sessions: list[ReplaySession], benchmark: Benchmark
) -> Replay:
    cameras = match_cameras(sessions) if sessions else {}
    states = match_states(sessions, benchmark.embodiment) if sessions else {}
    judged = Replay(tasks, left_out, cameras, states, ())
    return replace(judged, problems=tuple(_problems(judged)))


def _problems(judged: Replay) -> Iterator[str]:
    total = judged.total
    if total.rate < SUCCESS_RATE:
        yield (
            f"{total.successes} of {total.episodes} replayed demonstrations succeed ({total.rate:.0%}), at least "
            f"{SUCCESS_RATE:.0%} must: the actions do not mean to the simulator what they meant when they were recorded"
        )
    for name, match in judged.states.items():
        if match.deviation > DEVIATION:
            moves = "" if match.gain is None else f" and moves {match.gain:.2g} times as far"
            yield (
                f"state {name} departs from the recording by {match.deviation:.2g} of its motion there{moves}; check "
                "the action's scale, sign and frame"
            )
    for name, picture in judged.cameras.items():
        if picture.nearest_difference < picture.difference / 2:
            yield (
                f"camera {name} shows what {picture.nearest} showed in the recording (mean difference "
                f"{picture.nearest_difference:.1f} against {picture.difference:.1f} of 255); check the order of cameras"
            )
        elif picture.difference > PICTURE_DIFFERENCE:
            yield (
                f"camera {name} differs from the recording by {picture.difference:.1f} of 255 on average, more than "
                f"{PICTURE_DIFFERENCE:g}; check the camera, its crop and whether it is upside down"
            )
