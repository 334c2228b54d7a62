"""The four functions of the public interface: open a data set, train, load the policy, evaluate it.

`docs/api.md` shows them at work. The command line does the same with the same words.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from polymath.benchmarks.registry import benchmark as find_benchmark
from polymath.data.formats.opening import name_with, open_source
from polymath.data.interface import EpisodeSet
from polymath.errors import ConfigError
from polymath.evaluation.benchmark import Benchmark, Plan
from polymath.evaluation.candidate import with_probe, with_usual_execute
from polymath.evaluation.find_candidate import find_candidate
from polymath.evaluation.harness import run_benchmark
from polymath.evaluation.report.evaluation import write_evaluation_report
from polymath.evaluation.results import Entry
from polymath.policy import Policy, several
from polymath.policy.decoding import Decoding, Dtype
from polymath.policy.probes import Probe, check_probe
from polymath.policy.session import Acting
from polymath.policy.session import Policy as AnyPolicy
from polymath.policy.several import SeveralRobots
from polymath.presets import preset
from polymath.sharding.mesh import Config as MeshConfig
from polymath.training import job
from polymath.training.datasets import sort_data
from polymath.training.phases import plan_phases
from polymath.training.recipe import Recipe
from polymath.training.run import Run
from polymath.training.start import Start, as_published, check_published

DataLike = str | Path | EpisodeSet


def open_dataset(name: str | Path, **options: Any) -> Any:
    """The data set of that name, as `FORMAT:PLACE` or PLACE: episodes, pairs or documents, by index.

    `options` are those that may stand behind the question mark of a name on the command line, a list for values with
    commas: `open_dataset("lerobot:episodes", cameras=["front"])`; `robot` may be an Embodiment too. Raises DataError
    for a place that holds no known format, ConfigError for an unknown format or option.
    """
    robot = options.pop("robot", None)
    return open_source(name_with(name, options), robot=robot)


def train(
    recipe: Recipe | str,
    data: DataLike | Sequence[DataLike],
    out: str | Path,
    *,
    phases: Sequence[str] | None = None,
    tokenizer: str | Path | None = None,
    start: str | Path | None = None,
    start_phase: str = "alignment",
    start_checkpoint: str | int = "newest",
    published: Mapping[str, str | Path] | None = None,
    controls: str | None = None,
    allow: Sequence[str] = (),
) -> Run:
    """Train in the run directory `out`, phase after phase; called again, it continues from the newest checkpoint.

    `recipe`: a Recipe, the name of a preset, or "package.module:RECIPE". `data`: sets of episodes, of one robot or
    several, and sets of pairs, each as `polymath train --data` names it, or an EpisodeSet of your own; or prepared
    sets. `published`: part -> its folder; the recipe's vision transformer and decoder then have the sizes of the
    folders. The others are the options of `polymath train`.
    Raises ConfigError, DataError or CheckpointError for what does not fit.
    """
    if isinstance(recipe, str):
        recipe = preset(recipe)
    if not isinstance(recipe, Recipe):
        raise ConfigError(f"recipe: a {type(recipe).__name__}; give a polymath.Recipe or the name of a preset")
    out = Path(out)
    begin = Start(
        None if start is None else Path(start),
        start_phase,
        {part: Path(path) for part, path in (published or {}).items()},
        start_checkpoint,
    )
    sources, has_pairs = sort_data(_listed(data))
    recipe = as_published(recipe, begin)
    check_published(recipe, begin)
    plan = plan_phases(recipe, out, begin, phases, has_pairs=has_pairs)
    if plan.note:
        warnings.warn(plan.note, stacklevel=2)
    sources = replace(sources, tokenizer=None if tokenizer is None else Path(tokenizer), controls=controls)
    return job.train(plan.recipe, sources, out, plan.phases, begin, allow)


def load_policy(
    path: str | Path,
    name: str | None = None,
    *,
    decode: Literal["head", "tokens"] = "head",
    temperature: float = 0.0,
    batch: int = 1,
    dtype: Dtype | None = None,
    mesh: MeshConfig | None = None,
    checkpoint: str | int = "newest",
    embodiment: str | None = None,
) -> Policy | SeveralRobots:
    """Weights of a run's robot phase as a policy: of its `checkpoint` "newest", "best", or of a step.

    "best" is the one with the smallest error on the episodes that the run held out.

    `policy.open()` gives a session for an episode, `session.act(observation, executed)` an action chunk, and
    `policy.answer` those of several sessions, in passes of `batch` rows. `policy.act(observations)` needs no episodes.
    `decode`: the action head, or the action tokens one by one, the likeliest or drawn at a `temperature` above 0.
    `dtype`: hold the weights in "float32", "bf16" or "int8" (`polymath.policy.weights`), by default in what gives the
    answers of the trained weights in the least memory; `mesh`: divide them over devices.
    `embodiment`: of a run of several robots the one to drive, by its name. Left out, the policy drives each of them, as
    `policy.open(embodiment=NAME)` and the embodiment of every observation of `act` say.
    `name` stands in results; that of the directory if left out. Raises ConfigError or CheckpointError for a directory
    that is neither a complete run nor one that `polymath export` wrote.
    """
    how = Decoding(decode, temperature)
    return several.load(Path(path), name, how, batch, dtype, mesh, checkpoint, embodiment)


def evaluate(
    benchmark: Benchmark | str,
    policy: AnyPolicy | Acting | str | Path,
    out: str | Path | None = None,
    *,
    name: str | None = None,
    allow_mixed_renderers: bool = False,
    decode: Literal["head", "tokens"] | None = None,
    temperature: float = 0.0,
    probe: Sequence[Probe] = (),
    **choices: Any,
) -> dict[str, Entry]:
    """Success rates of a policy on a benchmark, by split; called again, it continues where it stopped.

    `benchmark`: a Benchmark, or the name of one. `policy`: a run directory, the name of a registered policy, or any
    object with `name` and `act(observations) -> chunks`, or with sessions (`polymath.policy.session`), which needs
    `out`; results of two policies in one `out` stand side by side under their names. `decode` and `temperature`: how
    a run directory answers (see `load_policy`). `probe`: "blind" and "deaf" evaluate the policy again without pictures
    or words; those results are in `out` alone. `choices` are fields of `polymath.evaluation.benchmark.Plan`: tasks,
    splits, episodes, execute, seed, renderer, workers, …; what is left out the benchmark and the policy decide.
    Raises ConfigError for what does not fit together, WorkerError if a simulator fails.
    """
    chosen = find_benchmark(benchmark) if isinstance(benchmark, str) else benchmark
    if not isinstance(chosen, Benchmark):
        raise ConfigError(f"benchmark: a {type(chosen).__name__}; give a Benchmark or the name of one")
    plan = _plan(choices)
    chosen.complete(plan)
    if isinstance(probe, str):
        raise ConfigError(f"evaluate: probe is the text {probe!r}; give a list of names")
    probes = tuple(dict.fromkeys(probe))
    for probe_name in probes:
        check_probe(probe_name)
    decoding = None if decode is None and temperature == 0 else Decoding(decode or "head", temperature)
    candidate = find_candidate(policy, chosen, name, decoding=decoding)
    if "execute" not in choices:
        plan = with_usual_execute(plan, candidate)
    if out is None:
        if not isinstance(policy, str | Path) or not Path(policy).is_dir():
            raise ConfigError(f"policy {candidate.name}: is no run directory, so say with `out` where results belong")
        out = Path(policy) / "evaluation"
    results = run_benchmark(chosen, candidate, Path(out), plan, allow_mixed_renderers)
    for probe_name in probes:
        results = run_benchmark(chosen, with_probe(candidate, probe_name), Path(out), plan, allow_mixed_renderers)
    write_evaluation_report(chosen, candidate.name, Path(out))
    return {split: row[candidate.name] for split, row in results.items() if candidate.name in row}


def _plan(choices: dict[str, Any]) -> Plan:
    """The fields of a Plan that `evaluate` was given. Raises ConfigError for one that there is not, or a text."""
    unknown = sorted(set(choices) - set(Plan.__dataclass_fields__))
    if unknown:
        raise ConfigError(f"evaluate: no choice {unknown[0]!r}; choose from {', '.join(Plan.__dataclass_fields__)}")
    for key in ("tasks", "splits", "cameras"):
        if isinstance(choices.get(key), str):
            raise ConfigError(f"evaluate: {key} is the text {choices[key]!r}; give a list of names")
    choices |= {key: tuple(choices[key]) for key in ("tasks", "splits", "cameras") if key in choices}
    return Plan(**choices)


def _listed(data: DataLike | Sequence[DataLike]) -> list[Any]:
    """Every source by itself. A string is one name, and an EpisodeSet is recognised by its robot."""
    if isinstance(data, list | tuple):
        return [str(each) if isinstance(each, Path) else each for each in data]
    return [str(data) if isinstance(data, Path) else data]
