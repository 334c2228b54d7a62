"""What the control steps of an evaluation cost, and whose time it is: one failed episode of each simulator, in CPU-s.

    python benchmarks/evaluation.py [--benchmarks calvin libero] [--policy RUN] [--execute 10] [--renderer NAME]

One worker and one episode under a policy that fails (random actions, or the run of --policy, which may succeed): the
CPU-seconds of the worker's process from reset to end, those of the policy's answers, and the evaluator's own. A
simulator that is not there is named with the command that makes it. CALVIN's episode is a subtask of 360 steps,
LIBERO's has 280.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from polymath.benchmarks.registry import benchmark
from polymath.errors import ConfigError
from polymath.evaluation.baselines import RandomPolicy
from polymath.evaluation.benchmark import Plan
from polymath.evaluation.candidate import Candidate
from polymath.evaluation.episode_result import EpisodeResult
from polymath.evaluation.find_candidate import find_candidate, of_object
from polymath.evaluation.rollout import run_episodes
from polymath.policy.session import EpisodeKey, Policy, Session, Turn, with_sessions
from polymath.types import ActionChunk
from polymath.workers.pool import WorkerPool

EPISODES = {
    "calvin": ("chain", "D", 0),
    "libero": ("pick_up_the_ketchup_and_place_it_in_the_basket", "seen", 0),
}
"""Benchmark -> task, split and seed of the episode that is run."""


@dataclass
class Timed:
    """A policy and the CPU-seconds that its answers took."""

    policy: Policy
    seconds: float = 0.0

    @property
    def name(self) -> str:
        return self.policy.name

    def open(self, episode: EpisodeKey | None = None) -> Session:
        return self.policy.open(episode)

    def answer(self, turns: Sequence[Turn]) -> Sequence[ActionChunk]:
        before = time.process_time()
        chunks = self.policy.answer(turns)
        self.seconds += time.process_time() - before
        return chunks


def measure(name: str, policy: str, execute: int, renderer: str) -> dict[str, str | float]:
    """CPU-seconds of one episode, and its steps."""
    chosen = benchmark(name)
    if policy == "random":
        candidate: Candidate = of_object(RandomPolicy(chosen.embodiment.action_dim, chunk_length=execute))
    else:
        candidate = find_candidate(policy, chosen)
    asked = Plan(execute=execute, workers=1, slots=1, renderer=renderer)
    plan = chosen.complete(candidate.completed(asked, chosen))
    timed, results = Timed(with_sessions(candidate.policy)), list[EpisodeResult]()
    key = EpisodeKey(*EPISODES[name])
    with WorkerPool(chosen.worker(plan), 1) as pool:
        [worker] = [p for p in psutil.Process().children() if f"{name}_worker" in " ".join(p.cmdline())]
        worker_before, own_before = sum(worker.cpu_times()[:2]), time.process_time()
        run_episodes(timed, pool, [key], execute, lambda result, frames: results.append(result))
        simulator, own = sum(worker.cpu_times()[:2]) - worker_before, time.process_time() - own_before
    return {
        "benchmark": name,
        "renderer": plan.renderer,
        "policy": candidate.name,
        "steps": results[0].steps,
        "simulator CPU-s": round(simulator, 2),
        "policy CPU-s": round(timed.seconds, 2),
        "evaluator CPU-s": round(own - timed.seconds, 2),
        "policy's share": round(timed.seconds / (simulator + own), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--benchmarks", nargs="+", choices=tuple(EPISODES), default=list(EPISODES))
    parser.add_argument("--policy", default="random")
    parser.add_argument("--execute", type=int, default=10)
    parser.add_argument("--renderer", default="")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = []
    for name in options.benchmarks:
        try:
            rows.append(measure(name, options.policy, options.execute, options.renderer))
        except ConfigError as error:
            print(f"{name}: not measured; {error}")
    if options.json:
        print(json.dumps(rows))
        return
    for row in rows:
        print("  ".join(f"{field} {value}" for field, value in row.items()))


if __name__ == "__main__":
    main()
