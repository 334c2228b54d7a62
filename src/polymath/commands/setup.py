"""`polymath setup`."""

import sys
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from polymath.commands.output import print_json


def setup(
    name: Positional[str],
    from_: Annotated[tuple[Path, ...], arg(name="from")] = (),
    python: str = "",
    json: bool = False,
) -> None:
    """Make the environment of a benchmark's simulator, and check it by starting a worker; run again, it goes on.

    It is made below $POLYMATH_HOME (~/.cache/polymath), with uv where there is one, else with venv and pip.

    Example: polymath setup calvin --from checkouts

    Args:
        name: The name of a benchmark.
        from_: Directories with the official repositories; they are cloned if left out.
        python: A version, such as 3.10, or the path of an interpreter; the newest that fits if left out.
        json: Print one JSON object; the steps then go to standard error.
    """
    from dataclasses import replace

    from polymath.benchmarks.registry import to_set_up
    from polymath.evaluation.benchmark import Plan
    from polymath.workers.environment import make_environment
    from polymath.workers.pool import WorkerPool

    benchmark = to_set_up(name)
    assert benchmark.setup is not None

    def tell(line: str) -> None:
        print(line, file=sys.stderr if json else sys.stdout, flush=True)

    interpreter = make_environment(benchmark.setup, from_, python, tell)
    plan = replace(benchmark.complete(Plan(slots=1, workers=1)), python=str(interpreter))
    with WorkerPool(benchmark.worker(plan), 1) as pool:
        hello = pool.hello
    if json:
        print_json({"benchmark": hello.benchmark, "python": str(interpreter), "renderer": hello.renderer})
        return
    tell(f"worker: {hello.benchmark} says hello, renderer {hello.renderer}")
    for part, value in hello.identity.items():
        tell(f"  {part}: {value}")
    tell(f"{interpreter}")
