"""`polymath eval metaworld`, `polymath compare`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional
from tyro.extras import SubcommandApp

from polymath.commands.output import print_json, print_table
from polymath.errors import ConfigError

if TYPE_CHECKING:
    from polymath.evaluation.comparison import Comparison
    from polymath.evaluation.results import Results
    from polymath.evaluation.rollout import Policy

app = SubcommandApp()

Renderer = Literal["ray", "egl", "osmesa"]
Split = Literal["seen", "novel_objects", "novel_environments"]


@app.command
def metaworld(
    policy: Path,
    out: Path | None = None,
    name: str | None = None,
    tasks: tuple[str, ...] = (),
    splits: tuple[Split, ...] = ("seen", "novel_objects", "novel_environments"),
    episodes: int = 10,
    seed: int = 0,
    execute: int = 2,
    int8: bool = False,
    renderer: Renderer = "ray",
    allow_mixed_renderers: bool = False,
    workers: int = os.cpu_count() or 1,
    json: bool = False,
) -> None:
    """Success rates on the embedded simulator, with Wilson 95 % intervals; run again, it goes on where it stopped.

    Example: polymath eval metaworld --policy run --tasks reach-left --splits seen --episodes 2

    Args:
        policy: A run directory, or `random`.
        out: Where results.json, episodes/ and videos/ are written; RUN/evaluation if left out.
        name: The policy's name in the results; that of the run directory if left out.
        tasks: Names of tasks; all of them if left out.
        splits: Held-out layouts with known objects and surroundings, with novel objects, in novel environments.
        episodes: For each task and split.
        seed: Chooses a block of held-out layouts.
        execute: Actions executed of each chunk before the policy is asked again.
        int8: Hold the policy's weights in 8 bits; it then goes by NAME-int8.
        renderer: That of the training data, or see the next option.
        allow_mixed_renderers: Let the pictures be drawn otherwise than in the training data.
        workers: Simulator processes; they change the speed, never the results.
        json: Print one JSON object, split -> policy -> result, instead of the table.
    """
    from polymath import config as configs
    from polymath.benchmarks.metaworld.benchmark import MetaWorldConfig, evaluate_metaworld
    from polymath.benchmarks.metaworld.scene.tasks import TASKS

    if out is None:
        if not policy.is_dir():
            raise ConfigError(f"--policy {policy}: no such run directory; a policy without one needs --out")
        out = policy / "evaluation"
    player, checkpoint, trained_on, image_size, cameras = _open_policy(policy, name, int8)
    config = MetaWorldConfig(
        tasks or tuple(TASKS), splits, episodes, execute, seed, renderer, image_size, cameras, workers
    )
    results = evaluate_metaworld(player, out, config, checkpoint, trained_on, allow_mixed_renderers)
    own = {split: {player.name: entries[player.name]} for split, entries in results.items() if player.name in entries}
    if json:
        plain = {split: {who: configs.to_dict(entry) for who, entry in row.items()} for split, row in own.items()}
        print_json(plain)
    else:
        _print_results(own)
        print(f"\n{out / 'results.json'}")


def compare(a: Positional[Path], b: Positional[Path], allow_mixed_renderers: bool = False, json: bool = False) -> None:
    """Is one evaluation better than another? Paired over the episodes that both ran: A minus B, split by split.

    Example: polymath compare run/evaluation/episodes/run.jsonl run/evaluation/episodes/random.jsonl

    Args:
        a: An episode log (OUT/episodes/POLICY.jsonl), or a directory that holds a single one.
        b: Another one of the same benchmark.
        allow_mixed_renderers: Compare results whose pictures were drawn by different renderers.
        json: Print one JSON list instead of the table.
    """
    from polymath import config
    from polymath.evaluation.comparison import compare_runs

    found = compare_runs(a, b, allow_mixed_renderers)
    if json:
        print_json([config.to_dict(row) | {"difference": row.difference} for row in found])
        return
    header = ["split", "A", "B", "A - B", "95 % interval", "pairs", "only A", "only B", "p"]
    print_table(header, [_row(comparison) for comparison in found])


def _row(found: "Comparison") -> list[object]:
    rates = [_percent(found.a.rate), _percent(found.b.rate), _percent(found.difference), _range(found.interval)]
    p_value = "unpaired" if found.p_value is None else f"{found.p_value:.2g}"
    return [found.split, *rates, found.pairs, found.only_a, found.only_b, p_value]


def _open_policy(path: Path, name: str | None, int8: bool) -> "tuple[Policy, str, str | None, int, tuple[str, ...]]":
    """Who plays, its checkpoint, the renderer identity of its training data, and the pictures that it wants."""
    if str(path) == "random":
        from polymath.benchmarks.metaworld.simulator import EMBODIMENT
        from polymath.evaluation.baselines import RandomPolicy

        player = RandomPolicy(EMBODIMENT.action_dim, chunk_length=4, name=name or "random")
        return player, "", None, 64, EMBODIMENT.cameras
    from polymath.policy import Policy as RunPolicy

    loaded = RunPolicy.load(path, name)
    if int8:
        loaded = loaded.in_int8()
    run = loaded.run
    step = max((int(p.name) for p in run.checkpoints("robot").iterdir() if p.name.isdigit()), default=0)
    checkpoint = f"{run.path.resolve().name}/robot/{step}" + ("/int8" if int8 else "")
    return loaded, checkpoint, run.data.renderer, run.recipe.layout.image_size, run.embodiment.cameras


def _print_results(results: "Results") -> None:
    rows = [
        [split, name, entry.successes, entry.episodes, _percent(entry.rate), _range(entry.interval)]
        for split, entries in results.items()
        for name, entry in entries.items()
    ]
    print_table(["split", "policy", "successes", "episodes", "rate", "95 % interval"], rows)


def _percent(rate: float) -> str:
    return f"{100 * rate:.0f} %"


def _range(interval: tuple[float, float]) -> str:
    return f"{100 * interval[0]:.0f} to {100 * interval[1]:.0f} %"
