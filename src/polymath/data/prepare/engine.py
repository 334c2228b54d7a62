"""Where the units run: Daft on this machine, or the same Daft program on a Ray cluster.

On Ray, every node must see the sources and the output directory under the same path.
"""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from polymath.errors import ConfigError, PolymathError

Engine = Literal["local", "ray"]


def start(engine: Engine, address: str | None = None) -> None:
    """Choose Daft's runner, once in a process. Raises ConfigError if the packages for it are missing."""
    for package, extra in (("daft", "data"), ("ray", "ray")):
        if (package == "daft" or engine == "ray") and importlib.util.find_spec(package) is None:
            raise ConfigError(f"--engine {engine} needs {package}; install polymath-v[{extra}]")
    if engine == "ray":
        import daft

        daft.set_runner_ray(address)


class _Caller:
    """What lives in a worker process and is called for every number."""

    def __init__(self, unit: Callable[[str, int], int]) -> None:
        self._unit = unit

    def __call__(self, out: str, number: int) -> int:
        return self._unit(out, number)


def run(unit: Callable[[str, int], int], out: Path, numbers: Sequence[int], workers: int) -> int:
    """Call `unit(out, n)` for every n in `workers` processes, or over the cluster; the sum of what they give.

    Raises the PolymathError that a unit raised, not the engine's wrapping of it.
    """
    import daft

    if not numbers:
        return 0
    if workers > 1:
        call = daft.cls(_Caller, use_process=True, max_concurrency=min(workers, len(numbers)))(unit)
    else:
        call = daft.func(unit, return_dtype=daft.DataType.int64(), use_process=False)
    frame = daft.from_pydict({"number": list(numbers)}).into_batches(1)
    frame = frame.with_column("made", call(daft.lit(str(out)), daft.col("number")))
    try:
        return int(frame.agg(daft.col("made").sum()).to_pydict()["made"][0])
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, PolymathError):
            cause = cause.__cause__ or cause.__context__
        raise cause or error from None


def duplicates(files: Sequence[Path], columns: dict[str, int]) -> list[dict[str, Any]]:
    """Rows (source, row) beyond the allowed number of equal values; `columns`: hashes joined by '+', and the bound.

    The first rows of a source stay, so that the result does not depend on the engine.
    """
    import daft
    from daft.functions import row_number

    rows = daft.read_parquet([str(file) for file in files]).where("status = 'kept'")
    found: set[tuple[int, int]] = set()
    for names, most in columns.items():
        hashes = names.split("+")
        window = daft.Window().partition_by("source", *hashes).order_by("row")
        frame = rows.where(f"{hashes[0]} != 0").with_column("rank", row_number().over(window))
        late = frame.where(f"rank > {most}").select("source", "row").to_pydict()
        found |= set(zip(late["source"], late["row"], strict=True))
    return [{"source": source, "row": row} for source, row in sorted(found)]
