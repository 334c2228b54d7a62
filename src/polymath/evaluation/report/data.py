"""What a report shows, and reading the curves and videos of a run from disk."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from polymath.errors import DataError
from polymath.evaluation.benchmark import Published
from polymath.evaluation.film import failure_path
from polymath.evaluation.log_files import Episodes
from polymath.evaluation.results import Results
from polymath.evaluation.video import read_tags


@dataclass(frozen=True)
class Curves:
    """Training curves of one run: phase -> quantity ("loss", "cross_entropy", "mse", …) -> (steps, values)."""

    run: str
    phases: dict[str, dict[str, tuple[list[int], list[float]]]]


@dataclass(frozen=True)
class Video:
    """An mp4 of one episode with its caption."""

    task: str
    path: Path
    caption: str
    outcome: str


@dataclass(frozen=True)
class AttentionPicture:
    """What the resampler's latents look at: per latent, weights over the patches of a square grid, row by row."""

    image: UInt8[np.ndarray, "height width 3"]
    attention: Float[np.ndarray, "latents patches"]
    caption: str


@dataclass(frozen=True)
class Stage:
    """One stage of the run: wall time, CPU time of all its processes, peak resident memory in bytes (0: unknown)."""

    name: str
    wall_seconds: float
    cpu_seconds: float
    peak_memory: int = 0


@dataclass(frozen=True)
class ReportData:
    """All that one page shows. `policy` names the headline entry of `results`; the others are baselines.

    splits      each split's title and one-line description
    source      what the results come from, in a few words; `success` is the rule by which an episode is solved
    episodes    policy -> its episodes: for probes, chains and failures; without them those sections are left out
    levels      the greatest score; 1 where the score is success
    failures    videos of failed episodes
    notes       what a reader must know before believing the numbers
    parameters  counts by part of the model; `seeds` names each seed
    whole       the run from start to end, in which stages may have overlapped
    machine     where it ran, with `versions`; `created` is a date
    """

    title: str
    policy: str
    results: Results
    splits: dict[str, tuple[str, str]]
    source: str
    success: str
    episodes: Mapping[str, Episodes] = field(default_factory=dict)
    levels: int = 1
    failures: tuple[Video, ...] = ()
    published: tuple[Published, ...] = ()
    notes: tuple[str, ...] = ()
    curves: tuple[Curves, ...] = ()
    videos: tuple[Video, ...] = ()
    attention: tuple[AttentionPicture, ...] = ()
    parameters: dict[str, int] = field(default_factory=dict)
    stages: tuple[Stage, ...] = ()
    whole: Stage | None = None
    commands: tuple[str, ...] = ()
    seeds: dict[str, int] = field(default_factory=dict)
    machine: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    created: str = ""


def read_curves(path: Path, run: str) -> Curves:
    """Curves of `run` from its metrics.jsonl. A step written twice (by a resumed run) counts as written last.

    Raises DataError naming the line that is not JSON; a last line cut short is ignored.
    """
    try:
        lines = Path(path).read_text().split("\n")[:-1]
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; is {Path(path).parent} a run directory of `polymath train`?") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); name a run directory of `polymath train`") from None
    curves: dict[str, dict[str, dict[int, float]]] = {}
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            step, phase = int(row.pop("step")), str(row.pop("phase"))
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            raise DataError(f"{path}, line {number}: {error!r}; expected a JSON object with phase and step") from None
        for quantity, value in row.items():
            if isinstance(value, int | float):
                curves.setdefault(phase, {}).setdefault(quantity, {})[step] = float(value)
    return Curves(run, {p: {q: _sorted(points) for q, points in by.items()} for p, by in curves.items()})


def _sorted(points: dict[int, float]) -> tuple[list[int], list[float]]:
    steps = sorted(points)
    return steps, [points[step] for step in steps]


def find_videos(directory: Path) -> tuple[Video, ...]:
    """The task videos that an evaluation left in `directory`, by task name."""
    videos = []
    for path in sorted(Path(directory).glob("*.mp4")):
        caption, outcome = read_tags(path)
        videos.append(Video(path.stem, path, caption, outcome))
    return tuple(videos)


def find_failures(directory: Path, episodes: Episodes) -> tuple[Video, ...]:
    """The videos of failed episodes that an evaluation left in `directory`, in the order of splits, tasks and seeds."""
    videos = []
    for key, result in episodes.items():
        path = failure_path(directory, key)
        if not result.success and path.exists():
            caption, outcome = read_tags(path)
            videos.append((key, Video(f"{key.task} · {key.split} · seed {key.seed}", path, caption, outcome)))
    return tuple(video for _, video in sorted(videos, key=lambda pair: (pair[0].split, pair[0].task, pair[0].seed)))
