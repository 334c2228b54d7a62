"""`polymath eval BENCHMARK --replay DEMOS`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polymath.commands.output import print_json, print_table
from polymath.errors import ConfigError

if TYPE_CHECKING:
    from polymath.evaluation.benchmark import Benchmark, Plan
    from polymath.evaluation.replay import Replay


def replay_demonstrations(
    benchmark: "Benchmark", plan: "Plan", name: str, run: str | None, tokens: bool, mixed_renderers: bool, json: bool
) -> int:
    """Replay the set of that name, through the transforms of a run if one is given; 0 if it passes, 1 if not."""
    from polymath.data.formats.opening import open_source
    from polymath.evaluation.replay import replay
    from polymath.training.run import open_run_for

    if run is not None and not Path(run).is_dir():
        raise ConfigError(
            f"--policy {run}: a replay goes through the transforms of a run directory, or without --policy"
        )
    if tokens and run is None:
        raise ConfigError("--decode tokens: the tokens of which run? Name it with --policy")
    opened = None if run is None else open_run_for(Path(run), benchmark.embodiment.name)
    if opened is None:
        demonstrations = open_source(name)
    else:
        layout = opened.recipe.layout
        demonstrations = open_source(name, layout.image_size, image_fit=layout.image_fit)
    if not hasattr(demonstrations, "actions"):
        raise ConfigError(f"--replay {name}: holds no episodes; name a set of recorded demonstrations")
    outcome = replay(benchmark, demonstrations, plan, opened, tokens, mixed_renderers)
    if json:
        print_json(_as_json(outcome))
    else:
        _print(outcome)
    for problem in outcome.problems:
        print(f"polymath: replay: {problem}", file=sys.stderr)
    return 0 if outcome.passed else 1


def _as_json(outcome: "Replay") -> dict[str, Any]:
    from polymath import config

    plain = config.to_dict(outcome)
    return plain | {"successes": outcome.total.successes, "episodes": outcome.total.episodes, "passed": outcome.passed}


def _print(outcome: "Replay") -> None:
    print_table(
        ["task", "successes", "episodes"], [[t, rate.successes, rate.episodes] for t, rate in outcome.tasks.items()]
    )
    for reason, count in outcome.left_out.items():
        print(f"{count} left out: {reason}")
    print()
    print_table(
        ["state", "deviation", "moves"],
        [[n, f"{m.deviation:.3f}", "—" if m.gain is None else f"{m.gain:.2f}"] for n, m in outcome.states.items()],
    )
    print()
    print_table(
        ["camera", "difference", "nearest recorded"],
        [[name, f"{match.difference:.1f}", match.nearest] for name, match in outcome.cameras.items()],
    )
    total = outcome.total
    verdict = "the actions mean what they meant" if outcome.passed else "failed"
    print(f"\nreplay: {total.successes} of {total.episodes} succeed; {verdict}")
