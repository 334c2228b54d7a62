"""The real vla-eval evaluates a served run; its own result file is compared with ours, episode by episode.

`check.py RUN OUT --vla-eval ENV/bin/vla-eval`. Ends with status 1 at the first difference. The run is evaluated by
`polymath eval metaworld` in-process, then served by `polymath serve` and evaluated by `vla-eval run` on the same seeds.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from polymath.benchmarks.registry import benchmark
from polymath.evaluation.benchmark import Plan
from polymath.evaluation.episode_log import read_episodes
from polymath.evaluation.episode_result import EpisodeResult
from polymath.evaluation.run_candidate import of_run

HERE = Path(__file__).parent
SPLIT = "seen"
POLYMATH = [sys.executable, "-m", "polymath.cli"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--vla-eval", required=True)
    parser.add_argument("--tasks", nargs="+", default=["reach-left", "button-press-left", "faucet-open"])
    parser.add_argument("--episodes", type=int, default=5)
    options = parser.parse_args()
    out = options.out.resolve()
    plan = Plan(tasks=tuple(options.tasks), splits=(SPLIT,), episodes=options.episodes, slots=1)
    ours = in_process(options.run, out / "ours", plan)
    with served(options.run) as url:
        theirs = by_vla_eval(options.vla_eval, url, options.run, out / "vla-eval", plan)
    return compare(ours, theirs)


def in_process(run: Path, out: Path, plan: Plan) -> dict[tuple[str, int], EpisodeResult]:
    """(task, number of the episode) -> result."""
    choices = ["--tasks", *plan.tasks, "--splits", *plan.splits, "--episodes", str(plan.episodes), "--workers", "1"]
    execute = ["--execute", str(plan.execute)]
    command = [*POLYMATH, "eval", "metaworld", "--policy", str(run), "--out", str(out), *choices, *execute]
    subprocess.run(command, check=True)
    [log] = (out / "episodes").glob("*.jsonl")
    first = benchmark("metaworld").seeds.start
    return {(key.task, key.seed - first): result for key, result in read_episodes(log)[1].items()}


@contextmanager
def served(run: Path) -> Iterator[str]:
    """The URL of `polymath serve`; one size of passes, so that the bits are those of the evaluation."""
    command = [*POLYMATH, "serve", str(run), "--port", "0", "--rows", "8", "--max-tokens", "16"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith("serving at ws"):
            raise SystemExit(f"polymath serve: {line or 'ended'}")
        yield line.split()[-1]
    finally:
        process.terminate()
        process.wait(60)


def by_vla_eval(program: str, url: str, run: Path, out: Path, plan: Plan) -> dict[tuple[str, int], dict]:
    """(task, number of the episode) -> the row of vla-eval's result file."""
    chosen, candidate = benchmark("metaworld"), of_run(run)
    complete = replace(chosen.complete(candidate.completed(plan, chosen)), python=sys.executable)
    params = {"command": chosen.worker(complete).argv, "split": SPLIT, "tasks": list(plan.tasks)}
    entry = {
        "benchmark": "polymath_metaworld:PolymathMetaWorld",
        "name": "metaworld",
        "episodes_per_task": plan.episodes,
        "params": {**params, "first_seed": chosen.seeds.start},
    }
    config = {"server": {"url": f"{url}/vla-eval", "timeout": 120.0}, "output_dir": str(out), "benchmarks": [entry]}
    out.mkdir(parents=True, exist_ok=True)
    (out / "config.yaml").write_text(json.dumps(config, indent=2))  # JSON is YAML
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    command = [program, "run", "--no-docker", "--config", str(out / "config.yaml")]
    subprocess.run(command, check=True, env=environment)
    [file] = out.rglob("*_aggregate.json")
    aggregate = json.loads(file.read_text())
    print(f"{file}: {aggregate['mean_success']:.3f} of {aggregate['num_episodes_total']} episodes succeed")
    return {(task["task"], row["episode_id"]): row for task in aggregate["tasks"] for row in task["episodes"]}


def compare(ours: dict[tuple[str, int], EpisodeResult], theirs: dict[tuple[str, int], dict]) -> int:
    if ours.keys() != theirs.keys():
        print(f"other episodes: {sorted(ours.keys() ^ theirs.keys())}")
        return 1
    different = 0
    print(f"{'task':20} {'episode':>7} {'polymath eval':>16} {'vla-eval':>16}")
    for key in sorted(ours):
        pair = (ours[key].success, ours[key].steps), (theirs[key]["metrics"]["success"], theirs[key]["steps"])
        different += pair[0] != pair[1]
        told = [f"{'success' if success else 'failure'} {steps:3}" for success, steps in pair]
        print(f"{key[0]:20} {key[1]:7} {told[0]:>16} {told[1]:>16}{'' if pair[0] == pair[1] else '   DIFFERENT'}")
    print(f"{len(ours) - different} of {len(ours)} episodes agree in success and steps")
    return int(different > 0)


if __name__ == "__main__":
    sys.exit(main())
