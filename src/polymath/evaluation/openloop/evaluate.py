"""`polymath eval openloop` without its command line: policy and data by name, results as files."""

import json
from dataclasses import replace
from pathlib import Path

from polymath import config
from polymath.data.formats.opening import open_source
from polymath.data.interface import EpisodeSet
from polymath.data.looking.sample import spaced
from polymath.errors import ConfigError, DataError
from polymath.evaluation.benchmark import Benchmark, Plan
from polymath.evaluation.candidate import Candidate
from polymath.evaluation.find_candidate import check_is_no_run, check_needs_no_key, find_candidate
from polymath.evaluation.openloop.errors import Predicted, summarise, worst_first
from polymath.evaluation.openloop.measure import predictions
from polymath.evaluation.openloop.page import film_strip, write_page
from polymath.evaluation.openloop.probes import probe_all
from polymath.evaluation.openloop.result import OpenLoop, ProbeResult
from polymath.evaluation.openloop.seen import held_out_of, seen_by
from polymath.evaluation.remote_candidate import of_address
from polymath.evaluation.run_candidate import of_run
from polymath.files import atomic_write
from polymath.policy.decoding import Decoding, Dtype
from polymath.policy.remote.address import is_address
from polymath.policy.weights import run_of
from polymath.training.checkpoint_choice import NEWEST
from polymath.training.run import Run
from polymath.types import Embodiment
from polymath.workers.process import WorkerCommand


def evaluate(
    policy: str | Path,
    data: str | None,
    out: Path,
    name: str | None = None,
    episodes: int = 0,
    execute: int = 0,
    plots: int = 4,
    dtype: Dtype | None = None,
    decoding: Decoding | None = None,
    key_file: Path | None = None,
    probes: int = 8,
    command: str = "",
    checkpoint: str | int = NEWEST,
) -> OpenLoop:
    """Errors of the policy on the first `episodes` of the set (0: all); writes OUT/openloop.json and openloop.html.

    data: None for the episodes that the run held out of its training. checkpoint: of a run, see `of_run`.
    plots: episodes that are drawn, the worst first. probes: episodes on which the policy is asked again without its
    eyes, ears and state; 0 leaves them out. command: what the page shows as the way to repeat it.
    execute: control steps from one question to the next; 0 for those of the policy's history, or 1. Raises ConfigError
    if the policy drives another robot, was trained with another stride, or there is no such policy, DataError for a set
    that holds no episodes.
    """
    candidate: Candidate | None = None
    policy = str(policy)
    if is_address(policy):
        check_is_no_run(policy, dtype, decoding, checkpoint)
        candidate = of_address(policy, name, key_file)
    elif Path(policy).is_dir():
        check_needs_no_key(policy, key_file)
        robots = run_of(Path(policy)).robots
        data = held_out_of(Path(policy)) if data is None else data
        robot_name = _recorded_robot(data) if len(robots) > 1 else None
        candidate = of_run(Path(policy), name, dtype, decoding or Decoding(), checkpoint, robot_name)
    data = held_out_of(Path(policy)) if data is None else data
    size, how = (candidate.image_size or None, candidate.image_fit) if candidate else (None, "stretch")
    held_out = open_source(data, size, image_fit=how)
    robot = getattr(held_out, "embodiment", None)
    if not isinstance(robot, Embodiment) or not len(held_out):
        raise DataError(f"{data}: holds no episodes of a robot; name a set of episodes, not of pairs")
    if candidate is None:
        candidate = find_candidate(policy, _nothing_to_run(robot), name, dtype, decoding, key_file, checkpoint)
    _check_robot(candidate, robot, data)
    if execute:
        candidate.check_execute(execute)
    execute = execute or candidate.execute or 1
    count = min(episodes or len(held_out), len(held_out))
    predicted = list(predictions(candidate.policy, held_out, range(count), execute))
    result = summarise(predicted, robot, candidate.name, candidate.checkpoint, data, execute)
    run = getattr(candidate.policy, "run", None)
    result = replace(
        result,
        seen=seen_by(run, data, held_out, range(count)) if isinstance(run, Run) else "unknown",
        probes=tuple(_probed(candidate, held_out, predicted, probes, execute)),
    )
    Path(out).mkdir(parents=True, exist_ok=True)
    with atomic_write(Path(out) / "openloop.json") as temporary:
        temporary.write_text(json.dumps(config.to_dict(result), indent=2, allow_nan=False) + "\n")
    drawn = worst_first(predicted, robot)[:plots]
    recorded = open_source(data) if drawn else held_out  # with pictures of their own size and aspect
    strips = [film_strip(recorded, place) for place in drawn]
    write_page(result, [predicted[place] for place in drawn], strips, robot, Path(out) / "openloop.html", command)
    return result


def _probed(
    candidate: Candidate, episodes: EpisodeSet, predicted: list[Predicted], count: int, execute: int
) -> list[ProbeResult]:
    """On `count` episodes, evenly spaced over those that were answered."""
    if not count:
        return []
    answers = [(place, predicted[place]) for place in spaced(len(predicted), count)]
    return probe_all(candidate.policy, episodes, answers, execute)


def _recorded_robot(data: str) -> str | None:
    """The name of the robot of `data`, by which one of the run's is chosen."""
    robot = getattr(open_source(data), "embodiment", None)
    return robot.name if isinstance(robot, Embodiment) else None


def _check_robot(candidate: Candidate, robot: Embodiment, data: str) -> None:
    ours = candidate.embodiment
    if ours is None:
        return
    for field in ("name", "state_names", "action_names", "gripper_dims"):
        if getattr(ours, field) != getattr(robot, field):
            raise ConfigError(
                f"policy {candidate.name}: was trained on a robot with {field} {getattr(ours, field)!r}, but {data} is "
                f"of one with {getattr(robot, field)!r}; name data of the policy's robot"
            )
    missing = [camera for camera in candidate.cameras if camera not in robot.cameras]
    if missing:
        raise ConfigError(
            f"policy {candidate.name} sees camera {missing[0]!r}, but {data} has {', '.join(robot.cameras)}; name a "
            "set with the same views"
        )


def _nothing_to_run(robot: Embodiment) -> Benchmark:
    """What a registered policy is made for: the robot of the recordings, without a simulator."""

    def worker(plan: Plan) -> WorkerCommand:
        raise ConfigError("openloop: recordings have no simulator; evaluate on a benchmark")

    return Benchmark(
        name="openloop",
        embodiment=robot,
        tasks=("recordings",),
        splits={"held_out": ("Held out", "recorded episodes")},
        seeds=range(1000),
        worker=worker,
    )
