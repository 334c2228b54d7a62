"""All benchmarks by name: the built-in ones, and those of other packages (entry point group `polymath.benchmarks`)."""

from polymath import plugins
from polymath.benchmarks.calvin.benchmark import BENCHMARK as CALVIN
from polymath.benchmarks.metaworld.benchmark import BENCHMARK as METAWORLD
from polymath.errors import ConfigError, did_you_mean
from polymath.evaluation.benchmark import Benchmark

GROUP = "polymath.benchmarks"
BUILT_IN: dict[str, Benchmark] = {METAWORLD.name: METAWORLD, CALVIN.name: CALVIN}


def benchmark(name: str) -> Benchmark:
    """The benchmark of that name.

    Raises ConfigError listing what there is for an unknown one, and for a plug-in that cannot be used.
    """
    match = plugins.find(GROUP, name, Benchmark, BUILT_IN)
    if match is None:
        raise ConfigError(f"benchmark {name!r}: no such benchmark; {did_you_mean(name, names())}")
    return match


def names() -> list[str]:
    """Of all benchmarks; the plug-ins among them are not loaded."""
    return sorted({*BUILT_IN, *plugins.entries(GROUP)})
