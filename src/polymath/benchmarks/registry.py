"""All benchmarks by name: the built-in ones, and those of other packages (entry point group `polymath.benchmarks`)."""

from polymath import plugins
from polymath.benchmarks.bridge.benchmark import BENCHMARK as BRIDGE
from polymath.benchmarks.calvin.benchmark import BENCHMARK as CALVIN
from polymath.benchmarks.libero.benchmark import BENCHMARK as LIBERO
from polymath.benchmarks.libero.benchmark import BENCHMARK_90 as LIBERO_90
from polymath.benchmarks.metaworld.benchmark import BENCHMARK as METAWORLD
from polymath.errors import ConfigError, did_you_mean
from polymath.evaluation.benchmark import Benchmark

GROUP = "polymath.benchmarks"
BUILT_IN: dict[str, Benchmark] = {each.name: each for each in (METAWORLD, CALVIN, BRIDGE, LIBERO, LIBERO_90)}


def benchmark(name: str) -> Benchmark:
    """The benchmark of that name.

    Raises ConfigError listing what there is for an unknown one, and for a plug-in that cannot be used.
    """
    match = plugins.find(GROUP, name, Benchmark, BUILT_IN)
    if match is None:
        raise ConfigError(f"benchmark {name!r}: no such benchmark; {did_you_mean(name, names())}")
    return match


def to_set_up(name: str) -> Benchmark:
    """The benchmark whose simulator's environment `polymath setup NAME` makes; recipes may have further names.

    Raises ConfigError as `benchmark` does, and for a benchmark that shares our environment.
    """
    aliases = {alias: each for each in BUILT_IN.values() if each.setup for alias in each.setup.aliases}
    chosen = aliases.get(name) or benchmark(name)
    if chosen.setup is None:
        extra = f": pip install 'polymath-v[{chosen.extra}]'" if chosen.extra else ""
        raise ConfigError(f"benchmark {name}: its simulator needs no environment of its own{extra}")
    return chosen


def names() -> list[str]:
    """Of all benchmarks; the plug-ins among them are not loaded."""
    return sorted({*BUILT_IN, *plugins.entries(GROUP)})
