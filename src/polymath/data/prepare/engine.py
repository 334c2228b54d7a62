"""Where the units run: Daft on this machine, or the same Daft program on a Ray cluster.

On Ray, every node must see the sources and the output directory under the same path.
"""

import contextlib
import importlib.util
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import pyarrow as pa

from polymath import errors
from polymath.errors import ConfigError, PolymathError

STOPPED = Path(".work") / "stopped"
Engine = Literal["local", "ray"]
DUPLICATES = pa.schema([("source", pa.int32()), ("row", pa.int64())])


def start(engine: Engine) -> None:
    """Choose Daft's runner, once in a process: the cluster that RAY_ADDRESS names, else one on this machine.

    Raises ConfigError if the packages for it are missing, PolymathError if no cluster answers there.
    """
    os.environ.setdefault("DAFT_PROGRESS_BAR", "0")  # `progress` shows one, the same for both engines
    for package, extra in (("daft", "data"), ("ray", "ray")):
        if (package == "daft" or engine == "ray") and importlib.util.find_spec(package) is None:
            raise ConfigError(f"--engine {engine} needs {package}; install polymath-v[{extra}]")
    if engine == "ray":
        import daft

        try:
            daft.set_runner_ray()
        except ConnectionError as error:
            raise PolymathError(
                f"--engine ray: RAY_ADDRESS={os.environ.get('RAY_ADDRESS', '')}: {error}; start the cluster with "
                "`ray start --head`, or unset RAY_ADDRESS for one on this machine"
            ) from None


class _Guarded:
    """A unit whose PolymathError is its answer, because one that is raised in a worker loses its kind on the way.

    After the first one the others do nothing: `.work/stopped` tells them.
    """

    def __init__(self, unit: Callable[[str, int], int]) -> None:
        self._unit = unit

    def __call__(self, out: str, number: int) -> str:
        stopped = Path(out) / STOPPED
        if stopped.exists():
            return ""
        try:
            self._unit(out, number)
        except PolymathError as error:
            with contextlib.suppress(OSError):
                stopped.touch()
            return f"{type(error).__name__}: {error}"
        return ""


def run(unit: Callable[[str, int], int], out: Path, numbers: Sequence[int], workers: int) -> None:
    """Call `unit(out, n)` for every n in `workers` processes, or over the cluster.

    Raises the first PolymathError that a unit raised.
    """
    import daft

    if not numbers:
        return
    (out / STOPPED).unlink(missing_ok=True)
    if workers > 1:
        call = daft.cls(_Guarded, use_process=True, max_concurrency=min(workers, len(numbers)))(unit)
    else:
        call = daft.func(_Guarded(unit), return_dtype=daft.DataType.string(), use_process=False)
    frame = daft.from_pydict({"number": list(numbers)}).into_batches(1)
    frame = frame.with_column("error", call(daft.lit(str(out)), daft.col("number")))
    found = sorted(frame.where("error != ''").to_pydict()["error"])
    if found:
        kind, _, message = found[0].partition(": ")
        raise getattr(errors, kind, PolymathError)(message)


def duplicates(files: Sequence[Path], columns: dict[str, int]) -> pa.Table:
    """Rows (source, row) beyond the allowed number of equal values; `columns`: hashes joined by '+', and the bound.

    The first rows of a source stay, so that the result, which is sorted, does not depend on the engine.
    """
    import daft
    from daft.functions import row_number

    rows = daft.read_parquet([str(file) for file in files]).where("status = 'kept'")
    found = [DUPLICATES.empty_table()]
    for names, most in columns.items():
        hashes = names.split("+")
        window = daft.Window().partition_by("source", *hashes).order_by("row")
        frame = rows.where(f"{hashes[0]} != 0").with_column("rank", row_number().over(window))
        found.append(frame.where(f"rank > {most}").select("source", "row").to_arrow().cast(DUPLICATES))
    once = pa.concat_tables(found).group_by(DUPLICATES.names).aggregate([])
    return once.sort_by([(name, "ascending") for name in DUPLICATES.names])
