"""The stages on the machine's cores: what needs nothing unfinished starts as soon as there is room for it.

A stage takes either all cores or half of them (at least one), so two of the second kind run side by side:

    cores 0..  ▓ episodes ▓▓ captions ▓▓ alignment ▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓ policy ▓▓▓▓ evaluation ▓▓ …
    cores n/2… ▓ episodes ▓▓ captions ▓▓ baseline ▓▓ evaluation ▓ evaluation ▓ baseline ▓▓ evaluation ▓▓ …

A model of a million weights gains little from a second core: a step of the alignment takes 30 ms on two cores and 35 on
one (AMD EPYC), so a training leaves half of them to the stage beside it.
"""

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from polymath.demo.processes import Running, Usage
from polymath.demo.stages import Stage

POLL_SECONDS = 0.05
SAMPLE_SECONDS = 0.5


def run_stages(
    todo: Iterable[Stage],
    finished: Iterable[str],
    cache: Path,
    on_start: Callable[[Stage], None],
    on_end: Callable[[Stage, Usage, int], None],
) -> None:
    """Run every stage of `todo` that is not in `finished`, in the order of the list where there is a choice.

    `on_end(stage, usage, peak)`: `peak` is the largest memory so far of all that ran at one time, in bytes. Raises
    PolymathError naming the command that failed, after the others were stopped; so does Ctrl-C, which reaches all.
    """
    done = set(finished)
    waiting = [stage for stage in todo if stage.name not in done]
    running: dict[Stage, Running] = {}
    peak, sampled = 0, 0.0
    try:
        while waiting or running:
            for stage, cores in _startable(waiting, done, running):
                on_start(stage)
                running[stage] = Running(stage.command, cores, cache)
                waiting.remove(stage)
            time.sleep(POLL_SECONDS)
            if time.monotonic() > sampled + SAMPLE_SECONDS:
                peak, sampled = (
                    max(peak, sum(process.sample_memory() for process in running.values())),
                    time.monotonic(),
                )
            for stage, process in list(running.items()):
                if usage := process.usage():
                    del running[stage]
                    done.add(stage.name)
                    on_end(stage, usage, peak)
    except BaseException:
        for process in running.values():
            process.ask_to_stop()
        for process in running.values():
            process.stop()
        raise


def _startable(
    waiting: list[Stage], done: set[str], running: dict[Stage, Running]
) -> Iterable[tuple[Stage, frozenset[int]]]:
    """The stages that can start now, each with its cores."""
    everything = os.sched_getaffinity(0)
    free = everything - frozenset().union(*(process.cores for process in running.values()))
    for stage in list(waiting):
        cores_needed = len(everything) if stage.all_cores else max(1, len(everything) // 2)
        if done.issuperset(stage.needs) and cores_needed <= len(free):
            cores = frozenset(sorted(free)[:cores_needed])
            free = free - cores
            yield stage, cores
