"""Where the units run: Daft on this machine, or the same Daft program on a Ray cluster.

On Ray, every node must see the sources and the output directory under the same path.
"""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

from polymath import errors
from polymath.data.prepare import work
from polymath.errors import PolymathError
from polymath.extras import require
from polymath.progress import watching

STOPPED = Path(".work") / "stopped"
Engine = Literal["local", "ray"]


def start(engine: Engine) -> None:
    """Choose Daft's runner, once in a process: the cluster that RAY_ADDRESS names, else one on this machine.

    Raises ConfigError if the packages for it are missing, PolymathError if no cluster answers there.
    """
    os.environ.setdefault("DAFT_PROGRESS_BAR", "0")  # `polymath.progress` shows one for both engines
    require("data", "preparing data")
    if engine == "ray":
        require("ray", "--engine ray")
        import daft

        try:
            daft.set_runner_ray()
        except ConnectionError as error:
            raise PolymathError(
                f"--engine ray: RAY_ADDRESS={os.environ.get('RAY_ADDRESS', '')}: {error}; start the cluster with "
                "`ray start --head`, or unset RAY_ADDRESS for one on this machine"
            ) from None


class _Guarded:
    """A unit that returns its error, because one that is raised in a worker loses its type on the way.

    After the first error the other units do nothing: the file `.work/stopped` exists. An OSError here is of our own
    files.
    """

    def __init__(self, unit: Callable[[str, int], int]) -> None:
        self._unit = unit

    def __call__(self, out: str, number: int) -> str:
        stopped = Path(out) / STOPPED
        if stopped.exists():
            return ""
        try:
            self._unit(out, number)
        except (PolymathError, OSError) as error:
            with contextlib.suppress(OSError):
                stopped.touch()
            kind = type(error).__name__ if isinstance(error, PolymathError) else "PolymathError"
            return f"{kind}: {error}"
        work.count_one(Path(out), self._unit.__name__)
        return ""


def run(title: str, unit: Callable[[str, int], int], out: Path, units: int, workers: int) -> None:
    """Call `unit(out, n)` for every n of [0, units) in `workers` processes, or over the cluster, with a progress bar.

    Raises the first PolymathError that a unit raised.
    """
    import daft

    if not units:
        return
    (out / STOPPED).unlink(missing_ok=True)
    work.begin_count(out, unit.__name__)
    if workers > 1:
        call = daft.cls(_Guarded, use_process=True, max_concurrency=min(workers, units))(unit)
    else:
        call = daft.func(_Guarded(unit), return_dtype=daft.DataType.string(), use_process=False)
    frame = daft.from_arrow(pa.table({"number": np.arange(units)})).into_batches(1)
    frame = frame.with_column("error", call(daft.lit(str(out)), daft.col("number")))
    with watching(title, units, lambda: min(units, work.count(out, unit.__name__))):
        messages = sorted(frame.where("error != ''").to_pydict()["error"])
    if messages:
        kind, _, message = messages[0].partition(": ")
        raise getattr(errors, kind, PolymathError)(message)
