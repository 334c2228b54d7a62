"""What trained vision and language are worth: success over demonstrations, for policies of three starts.

    python benchmarks/transfer.py [--demo runs/demo] [--out runs/transfer] [--demonstrations 5 10 30 90] [--json]

A finished `polymath demo` is read, nothing is recorded again. Each policy is the demo's robot phase on the first N
demonstrations of each task, for the same number of steps, with the demo's image-text pairs beside them:

    fresh     every weight is drawn, and every weight learns
    aligned   the weights of the demo's vision-language alignment, its vision tower frozen (as in the demo)
    public    that vision tower and that language model alone, as the two Hugging Face folders that public models are
              (--published vit=… decoder=…); the resampler between them, the projections and the head are drawn

and is evaluated on held-out layouts. OUT has a run directory for each policy, results.json, episodes/ and report.html
of `polymath eval`, transfer.json and transfer.svg. One process at a time, on the cores that this one may use
(`taskset -c 0 python …`); a second call runs what is missing. The 12 policies of the defaults take three quarters of
an hour of one core.
"""

import argparse
import json
import os
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polymath import config
from polymath.data.formats.opening import open_source
from polymath.data.interface import EpisodeSet, episode_name
from polymath.demo.journal import Journal
from polymath.demo.processes import Running
from polymath.demo.settings import POLICY
from polymath.errors import ConfigError, PolymathError
from polymath.evaluation.episode_log import read_episodes
from polymath.evaluation.results import load_results
from polymath.evaluation.statistics import Rate, mcnemar, paired_difference
from polymath.files import atomic_write

sys.path.insert(0, str(Path(__file__).parent))
from public_folders import write_public_folders
from transfer_plot import curves

STARTS = ("fresh", "aligned", "public")
SPLITS = ("seen", "novel_environments")
ALL = "all"
"""All splits together."""


@dataclass(frozen=True)
class Settings:
    """What all policies of OUT have in common; steps None: the preset's."""

    demo: str
    preset: str
    tasks: tuple[str, ...]
    splits: tuple[str, ...]
    episodes: int
    execute: int
    seed: int
    steps: int | None


@dataclass(frozen=True)
class Point:
    """One policy: its start, and its demonstrations of each task."""

    start: str
    demonstrations: int

    @property
    def name(self) -> str:
        return f"{self.start}-{self.demonstrations}"


def first_of_each_task(episodes: EpisodeSet, count: int) -> list[str]:
    """Names of the first `count` episodes of every task. Raises ConfigError for a task that has fewer."""
    names: dict[str, list[str]] = defaultdict(list)
    for row in range(len(episodes)):
        names[episodes.task(row)].append(episode_name(episodes, row))
    for task, recorded in names.items():
        if len(recorded) < count:
            raise ConfigError(
                f"{episodes.name}: task {task!r} has {len(recorded)} demonstrations, but --demonstrations names "
                f"{count}; record more, or name fewer"
            )
    return [name for recorded in names.values() for name in recorded[:count]]


def commands(point: Point, settings: Settings, out: Path) -> list[tuple[str, ...]]:
    """Training and evaluation, without the leading `polymath`."""
    demo, run = Path(settings.demo), out / point.name
    chosen = f"{demo / 'demonstrations'}?episodes=@{out / f'episodes-{point.demonstrations}.txt'}"
    start: tuple[str, ...] = ("--tokenizer", str(demo / "tokenizer.json"))
    if point.start == "aligned":
        start = (*start, "--start", str(demo / POLICY))
    elif point.start == "public":
        start = ("--published", f"vit={out / 'public' / 'vision'}", f"decoder={out / 'public' / 'language'}")
    steps = () if settings.steps is None else (f"robot.steps={settings.steps}",)
    learns = ('robot.optimizer.groups=[[".*", 1.0]]',) if point.start == "fresh" else ()
    data = ("--data", chosen, str(demo / "captions"), "--phases", "robot")
    overrides = ("--set", f"seed={settings.seed}", *steps, *learns)
    size = ("--episodes", str(settings.episodes), "--execute", str(settings.execute), "--seed", str(settings.seed))
    tasks = ("--tasks", *settings.tasks, "--splits", *settings.splits, "--workers", "1")
    return [
        ("train", settings.preset, *data, *start, "--out", str(run), *overrides),
        ("eval", "metaworld", "--policy", str(run), "--name", point.name, *tasks, *size, "--out", str(out)),
    ]


def run(command: tuple[str, ...], cache: Path) -> float:
    """CPU seconds of `polymath COMMAND`. Raises PolymathError if it fails; Ctrl-C lets it save."""
    print("polymath", *command, file=sys.stderr, flush=True)
    process = Running(command, frozenset(os.sched_getaffinity(0)), cache)
    try:
        while (usage := process.usage()) is None:
            time.sleep(0.2)
    except BaseException:
        process.ask_to_stop()
        process.stop()
        raise
    return usage.cpu_seconds


def measure(points: list[Point], settings: Settings, out: Path) -> None:
    """Train and evaluate what has no complete results yet, and note the CPU seconds of each policy."""
    noted = out / "cpu_seconds.json"
    seconds: dict[str, list[float]] = json.loads(noted.read_text()) if noted.exists() else {}
    for point in points:
        if is_evaluated(point, settings, out):
            continue
        seconds[point.name] = [run(command, out / "programs") for command in commands(point, settings, out)]
        write_json(noted, seconds)


def is_evaluated(point: Point, settings: Settings, out: Path) -> bool:
    results, episodes = load_results(out / "results.json"), settings.episodes * len(settings.tasks)
    entries = [results.get(split, {}).get(point.name) for split in settings.splits]
    return all(entry is not None and entry.episodes == episodes for entry in entries)


def outcomes(point: Point, out: Path) -> dict[Any, bool]:
    """Whether each evaluated episode was a success, by task, split and seed."""
    _, episodes = read_episodes(out / "episodes" / f"{point.name}.jsonl")
    return {key: episode.success for key, episode in sorted(episodes.items())}


def report(points: list[Point], settings: Settings, out: Path) -> dict[str, Any]:
    """Rates with Wilson intervals, and the difference to the fresh policy of as many demonstrations on the same layouts
    (interval of paired proportions, McNemar's exact p-value).
    """
    seconds = json.loads((out / "cpu_seconds.json").read_text())
    rows: list[dict[str, Any]] = []
    for point in points:
        successes = outcomes(point, out)
        rows.append({"start": point.start, "demonstrations": point.demonstrations, "cpu_seconds": seconds[point.name]})
        for split in (*settings.splits, ALL):
            rate = Rate.of(success for key, success in successes.items() if split in (key.split, ALL))
            rows[-1][split] = {"rate": rate.rate, "interval": rate.interval, "episodes": rate.episodes}
        if point.start != "fresh" and Point("fresh", point.demonstrations) in points:
            fresh = outcomes(Point("fresh", point.demonstrations), out)
            rows[-1]["over_fresh"] = compared([(success, fresh[key]) for key, success in successes.items()])
    return {"settings": config.to_dict(settings), "points": rows}


def compared(pairs: list[tuple[bool, bool]]) -> dict[str, Any]:
    """The difference of the rates of (this policy's, the other's) successes on the same layouts."""
    only, other = pairs.count((True, False)), pairs.count((False, True))
    interval = paired_difference(only, other, len(pairs))
    return {"difference": (only - other) / len(pairs), "interval": interval, "p_value": mcnemar(only, other)}


def table(report: dict[str, Any]) -> str:
    """Markdown: a row for each number of demonstrations, a column for each start."""
    rows = {(row["start"], row["demonstrations"]): row for row in report["points"]}
    starts = list(dict.fromkeys(start for start, _ in rows))
    lines = ["| demonstrations a task | " + " | ".join(starts) + " |", "| ---: |" + " ---: |" * len(starts)]
    for count in dict.fromkeys(count for _, count in rows):
        cells = []
        for start in starts:
            rate = rows[start, count][ALL]
            cells.append("{:.0%} ({:.0f}–{:.0f})".format(rate["rate"], *(100 * end for end in rate["interval"])))
        lines.append(f"| {count} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write_json(path: Path, value: Any) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1) + "\n")


def prepare(settings: Settings, counts: list[int], starts: list[str], out: Path) -> None:
    """The lists of episodes and the public folders. Raises ConfigError where OUT is of other settings."""
    described = out / "settings.json"
    if described.exists() and (difference := config.first_difference(config.load(Settings, described), settings)):
        name, theirs, ours = difference
        raise ConfigError(f"{described}: {name} is {theirs!r} there, now {ours!r}; choose another --out")
    episodes = open_source(Path(settings.demo) / "demonstrations")
    out.mkdir(parents=True, exist_ok=True)
    for count in counts:
        names = first_of_each_task(episodes, count)
        with atomic_write(out / f"episodes-{count}.txt") as temporary:
            temporary.write_text("\n".join(names) + "\n")
    if "public" in starts and not (out / "public").exists():
        write_public_folders(Path(settings.demo) / POLICY, out / "public")
    config.save(settings, described)


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demo", type=Path, default=Path("runs/demo"), help="a finished `polymath demo`")
    parser.add_argument("--out", type=Path, default=Path("runs/transfer"))
    parser.add_argument("--demonstrations", type=int, nargs="+", default=[5, 10, 30, 90], help="of each task")
    parser.add_argument("--starts", nargs="+", choices=STARTS, default=list(STARTS))
    parser.add_argument("--splits", nargs="+", default=list(SPLITS))
    parser.add_argument("--episodes", type=int, default=8, help="held-out layouts of each task and split")
    parser.add_argument("--steps", type=int, help="of the robot phase, instead of the preset's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print transfer.json instead of the table")
    options = parser.parse_args(words)
    try:
        demo = config.load(Journal, options.demo / "demo.json").settings
        splits = tuple(options.splits)
        size = (options.episodes, demo.execute, options.seed, options.steps)
        settings = Settings(str(options.demo), demo.preset, demo.tasks, splits, *size)
        prepare(settings, options.demonstrations, options.starts, options.out)
        points = [Point(start, count) for count in options.demonstrations for start in options.starts]
        measure(points, settings, options.out)
    except PolymathError as error:
        print(error, file=sys.stderr)
        return 2
    result = report(points, settings, options.out)
    write_json(options.out / "transfer.json", result)
    with atomic_write(options.out / "transfer.svg") as temporary:
        temporary.write_text(curves(result["points"], splits))
    print(json.dumps(result, indent=1) if options.json else table(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
