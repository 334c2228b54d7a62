"""OUT/report.html of `polymath eval`: everything about one policy's evaluation, from what the evaluation left in OUT.

OUT/commands.json   policy -> the command that evaluated it
"""

import datetime
import json
import os
import platform
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

from polymath.errors import ConfigError
from polymath.evaluation.benchmark import Benchmark
from polymath.evaluation.episode_log import read_episodes
from polymath.evaluation.log_files import Episodes
from polymath.evaluation.report.data import ReportData, find_failures, find_videos
from polymath.evaluation.report.page import write_report
from polymath.evaluation.results import Results, load_results
from polymath.evaluation.sequential import describe, read_verdict
from polymath.files import atomic_write, one_at_a_time

_PACKAGES = ("polymath-v", "jax", "numpy")


def write_evaluation_report(benchmark: Benchmark, policy: str, out: Path, command: str = "") -> Path:
    """Write OUT/report.html about `policy`, the other policies of OUT as baselines; return its path.

    `command` is what evaluated it, and is kept for later pages. Raises ConfigError and DataError for results, logs and
    videos in OUT that cannot be read.
    """
    out = Path(out)
    commands = _remember(out, policy, command)
    results = _in_order(benchmark, load_results(out / "results.json"))
    names = dict.fromkeys(name for policies in results.values() for name in policies)
    episodes = {name: _episodes(out, name) for name in names}
    data = ReportData(
        title=f"{policy} on {benchmark.name}",
        policy=policy,
        results=results,
        splits=dict(benchmark.splits),
        source=benchmark.protocol or benchmark.name,
        success="the benchmark's own success rule held",
        episodes=episodes,
        levels=benchmark.levels,
        failures=find_failures(out / "videos" / policy, episodes[policy]),
        videos=find_videos(out / "videos" / policy),
        published=benchmark.published,
        notes=tuple(_notes(out, names)),
        commands=tuple(commands[name] for name in names if name in commands),
        machine=f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        versions={name: version(name) for name in _PACKAGES},
        created=datetime.date.today().isoformat(),
    )
    write_report(data, out / "report.html")
    return out / "report.html"


def _in_order(benchmark: Benchmark, results: Results) -> Results:
    """The benchmark's splits first, in its order."""
    order = [*benchmark.splits, *(split for split in results if split not in benchmark.splits)]
    return {split: results[split] for split in order if split in results}


def _episodes(out: Path, policy: str) -> Episodes:
    log = out / "episodes" / f"{policy}.jsonl"
    return read_episodes(log)[1] if log.exists() else {}


def _notes(out: Path, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        if verdict := read_verdict(out / "episodes" / f"{name}.jsonl"):
            yield describe(verdict, name)


def _remember(out: Path, policy: str, command: str) -> dict[str, str]:
    """The commands of all policies of OUT; this one's is added, and stays as it was if it is not known."""
    path = out / "commands.json"
    with one_at_a_time(out):
        try:
            commands = json.loads(path.read_text()) if path.exists() else {}
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{path}: not JSON ({error}); remove it and run `polymath eval` again") from None
        if command:
            commands[policy] = command
            with atomic_write(path) as temporary:
                temporary.write_text(json.dumps(commands, indent=2) + "\n")
    return commands
