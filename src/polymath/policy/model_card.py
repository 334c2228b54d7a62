"""The README.md of an exported model: what was counted and measured, nothing else."""

import json
from pathlib import Path
from typing import Any

from polymath.errors import ConfigError
from polymath.planning.count import count_by_part
from polymath.training.metrics import read_metrics
from polymath.training.recipe import Recipe
from polymath.training.run import Run
from polymath.types import Embodiment


def model_card(run: Run, recipe: Recipe, phase: str, step: int, use: str) -> str:
    """Markdown with the front matter that the Hub reads; `recipe` is that of the exported weights, `use` a command."""
    robots = "\n\n".join(_robot(robot.embodiment) for robot in run.robots)
    sections = [
        "---\nlibrary_name: polymath-v\npipeline_tag: robotics\ntags:\n- vision-language-action\n---",
        f"# {recipe.name}\n\nA Polymath-V vision-language-action model: {recipe.purpose}.",
        "## Size\n\n" + _table(["part", "parameters"], [[k, f"{v:,}"] for k, v in count_by_part(recipe.model).items()]),
        f"## Robot{'s' if run.several else ''}\n\n{robots}",
        f"## Training\n\nWeights of step {step:,} of the {phase} phase. Data: "
        f"{', '.join(map(_name, run.data.robot + run.data.pairs + run.data.prepared)) or 'not recorded'}.\n\n"
        + _last_metrics(run.path, phase),
        "## Evaluation\n\n" + _evaluation(run.path / "evaluation" / "results.json"),
        f"## Use\n\n```console\n$ {use}\n```",
    ]
    return "\n\n".join(sections) + "\n"


def _robot(robot: Embodiment) -> str:
    return (
        f"`{robot.name}`, {robot.control_hz:g} Hz, cameras {', '.join(robot.cameras)}. Actions: "
        f"{', '.join(robot.action_names)}; {robot.action_space}. State: {', '.join(robot.state_names)}; "
        f"{robot.state_space}."
    )


def _last_metrics(path: Path, phase: str) -> str:
    """The last logged step of the phase, as logged."""
    metrics = path / "metrics.jsonl"
    lines = read_metrics(metrics) if metrics.exists() else []
    last: dict[str, Any] = next((line for line in reversed(lines) if line["phase"] == phase), {})
    shown = [[name, f"{last[name]:.5g}"] for name in ("step", "cross_entropy", "mse", "token_accuracy") if name in last]
    return _table(["last logged", "value"], shown) if shown else "No curve was kept."


def _evaluation(path: Path) -> str:
    if not path.exists():
        return "Not evaluated."
    rows = []
    try:
        for split, entries in json.loads(path.read_text()).items():
            for name, entry in entries.items():
                low, high = (f"{100 * bound:.0f}" for bound in entry["interval"])
                share = f"{entry['successes']} of {entry['episodes']}"
                rows.append([split, name, share, f"{100 * entry['rate']:.0f} %", f"{low} to {high} %"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{path}: no results of `polymath eval` ({error!r}); evaluate again, or remove it") from None
    return _table(["split", "policy", "successes", "rate", "95 % interval"], rows)


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _name(path: str) -> str:
    """Only the last part: the rest of the path is private to the machine."""
    return f"`{Path(path).name}`"
