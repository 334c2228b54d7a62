"""Simulation work on several processes: results in the order of the jobs, a progress bar, a clean Ctrl-C."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from threading import Thread
from typing import TypeVar

from polymath.benchmarks.metaworld.simulator import Simulator
from polymath.progress import progress_bar

Job = TypeVar("Job")
Result = TypeVar("Result")

_AHEAD = 4
_simulator: Simulator | None = None


def simulator() -> Simulator:
    """This worker process's own simulator."""
    assert _simulator is not None, "only inside a function given to simulate_in_parallel"
    return _simulator


def simulate_in_parallel(
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    workers: int,
    description: str,
    renderer: str,
    image_size: int,
    cameras: tuple[str, ...],
) -> Iterator[Result]:
    """Yield function(job) for every job, in order, whatever the number of worker processes.

    `function` is a module's top-level function and gets its simulator from `simulator()`. Only a few results per
    worker wait in memory. When the consumer stops early, the workers are stopped as well.
    """
    Simulator(renderer, image_size, cameras).close()  # raises for a bad name here, not in a worker
    pool = ProcessPoolExecutor(
        max_workers=workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(renderer, image_size, cameras),
    )
    try:
        with progress_bar(description, len(jobs)) as bar:
            waiting = iter(jobs)
            running: list[Future[Result]] = [pool.submit(function, job) for job in islice(waiting, _AHEAD * workers)]
            while running:
                result = running.pop(0).result()
                running.extend(pool.submit(function, job) for job in islice(waiting, 1))
                bar.advance()
                yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start_worker(renderer: str, image_size: int, cameras: tuple[str, ...]) -> None:
    global _simulator
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets Ctrl-C and stops its workers
    Thread(target=_end_with_parent, daemon=True).start()
    _simulator = Simulator(renderer, image_size, cameras)


def _end_with_parent() -> None:
    """Exit when the parent was killed; the executor's workers would wait for work forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
