"""`polymath presets`, `polymath train`."""

import os
import shutil
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tyro.conf import Positional, UseAppendAction

from polymath.commands.output import print_json, print_table
from polymath.interrupts import exits_at_once

if TYPE_CHECKING:
    from polymath.training.recipe import Recipe
    from polymath.training.start import Start

Phase = Literal["alignment", "robot"]
Change = Literal["learning-rate", "clipping", "spikes", "weight-decay", "loss", "augmentation", "precision"]
WIDE = 130  # columns that the table of presets needs


def presets(json: bool = False) -> None:
    """Named recipes: purpose, parameters by part of the model, FLOPs of training per token, memory.

    The formulas are in polymath.planning.cost; memory leaves out activations.

    Example: polymath presets

    Args:
        json: Print one JSON list instead of the table.
    """
    from polymath.planning.cost import memory_bytes, training_flops_per_token
    from polymath.planning.count import count_by_part
    from polymath.presets import every_preset

    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "purpose": recipe.purpose,
            "parameters": count_by_part(recipe.model),
            "flops_per_token": training_flops_per_token(recipe),
            "memory_bytes": memory_bytes(recipe),
        }
        for name, recipe in every_preset().items()
    ]
    if json:
        print_json(rows)
        return
    if sys.stdout.isatty() and shutil.get_terminal_size().columns < WIDE:
        for entry in rows:
            _print_preset(entry)
        return
    parts = [part.replace("_", " ") for part in rows[0]["parameters"]]
    header = ["preset", *parts, "MFLOP/token", "weights MB", "training MB", "purpose"]
    print_table(header, [_preset_row(entry) for entry in rows])


def _print_preset(entry: dict[str, Any]) -> None:
    """For a terminal of 80 columns: a few lines a preset."""
    memory = entry["memory_bytes"]
    training = memory["training_state"] + memory["gradients"]
    parts = [f"{part.replace('_', ' ')} {count / 1e6:,.1f}" for part, count in entry["parameters"].items()]
    print(entry["name"])
    for text in (entry["purpose"], f"million parameters: {', '.join(parts)}"):
        print(textwrap.fill(text, 78, initial_indent="  ", subsequent_indent="    "))
    flops, weights = entry["flops_per_token"] // 10**6, memory["weights_bfloat16"] // 10**6
    print(f"  {flops:,} MFLOP a token; weights {weights:,} MB, training {training // 10**6:,} MB")


def _preset_row(entry: dict[str, Any]) -> list[object]:
    memory = entry["memory_bytes"]
    training = memory["training_state"] + memory["gradients"]
    return [
        entry["name"],
        *entry["parameters"].values(),
        entry["flops_per_token"] // 10**6,
        memory["weights_bfloat16"] // 10**6,
        training // 10**6,
        entry["purpose"],
    ]


def train(
    preset: Positional[str],
    data: tuple[str, ...],
    out: Path,
    tokenizer: Path | None = None,
    set: UseAppendAction[tuple[tuple[str, ...], ...]] = (),
    phases: tuple[Phase, ...] | None = None,
    start: Path | None = None,
    start_phase: Phase | None = None,
    start_checkpoint: str | None = None,
    published: tuple[str, ...] = (),
    adapters: str | None = None,
    rank: int | None = None,
    controls: str | None = None,
    slot: int | None = None,
    allow: tuple[Change, ...] = (),
    restarts: int = 0,
    dry_run: bool = False,
    json: bool = False,
) -> int:
    """Train a preset, phase after phase; run again, it continues from its newest checkpoint.

    Example: polymath train tiny --data pairs episodes --tokenizer tokenizer.json --out run --set robot.steps=8

    Example: polymath train polymath_v_200m --data my_episodes --out run --set robot.rows=8 --dry-run

    docs/finetuning.md shows what to set for what, docs/settings.md lists every field of --set.

    Args:
        preset: The name of a recipe, see `polymath presets`.
        data: Sets of episodes, of one robot or several, and sets of pairs, as lerobot:PATH, rlds:PATH?split=val, or a
            path whose files say what it is; or what `polymath data prepare` wrote, whole or by folders. A name may end
            in ?weight=3&loss_weight=0.5&loss_per=document: how much the set counts.
        out: The run directory; an existing one must belong to the same recipe.
        tokenizer: A tokenizer.json of the recipe's sizes; left out, that of --start or of the prepared sets, or one
            trained on the package's text.
        set: Fields of the recipe to change, as field=value.
        phases: Which phases, in this order; left out, both, or without pairs the robot phase on episodes alone.
        start: Begin with the weights of another run directory. A later phase of a run continues the one before it.
        start_phase: Which phase of that run, alignment unless named.
        start_checkpoint: Which checkpoint of that phase: newest unless named, best on the episodes that the run held
            out, or a step.
        published: Begin with published weights of a part, as vit=PATH, resampler=PATH or decoder=DIRECTORY; the sizes
            of the vision transformer and of the decoder are those of their folders.
        adapters: Train low-rank adapters alone, on the weights whose names this regular expression matches; with a
            published vision transformer and decoder, beside them whole what joins the two and acts.
        rank: Of the adapters, 16 unless given.
        controls: Of several robots the one that the run is for, by its name, or of prepared sets by its folder; left
            out, a run of raw sets is for all of their robots.
        slot: The control token (0 to 31) of the raw episodes' robot, where another robot has the set's own.
        allow: Changes of what a run that has trained learns, which are recorded in its changes.jsonl; how it is
            executed may change without them (docs/reliability.md).
        restarts: Train in a child process, and start it again so many times if it is killed or fails.
        dry_run: Say what would happen (sizes, steps an epoch, memory, time, what the data look like) and write nothing.
        json: Print one JSON object instead of a line.
    """
    if restarts and not dry_run:
        from polymath.training.supervision import is_supervised, supervise

        if not is_supervised(os.environ):
            command = [sys.executable, *sys.orig_argv[1:]]
            return supervise(command, out, restarts, lambda line: print(line, file=sys.stderr, flush=True))
    with exits_at_once():
        from polymath.errors import ConfigError
        from polymath.training.checkpoint_choice import best
        from polymath.training.datasets import in_slot, sort_data
        from polymath.training.job import preview
        from polymath.training.job import train as train_run
        from polymath.training.phases import plan_phases
        from polymath.training.processes import start_processes
        from polymath.training.settings import with_settings
        from polymath.training.start import Start, check_published

        start_processes(os.environ)
        for option, value, needed, there in (
            ("--start-phase", start_phase, "--start RUN", start),
            ("--start-checkpoint", start_checkpoint, "--start RUN", start),
            ("--rank", rank, "--adapters PATTERN", adapters),
        ):
            if value is not None and there is None:
                raise ConfigError(f"{option} {value}: changes nothing without {needed}; add that, or leave it out")
        begin = Start(start, start_phase or "alignment", _parts(published), start_checkpoint or "newest")
        recipe = _recipe(preset, begin, adapters, rank)
        recipe = with_settings(recipe, [assignment for group in set for assignment in group])
        check_published(recipe, begin)
        sources, has_pairs = sort_data(data)
        sources = sources if slot is None else in_slot(sources, slot)
        plan = plan_phases(recipe, out, begin, phases, has_pairs=has_pairs)
        for line in (*plan.taken, plan.note):
            if line:
                print(line, file=sys.stderr)
        sources = replace(sources, tokenizer=tokenizer, controls=controls)
        if dry_run:
            from polymath.commands.dry_run import show

            show(preview(plan.recipe, sources, out, plan.phases, begin, allow), sources, json=json)
            return 0
    train_run(plan.recipe, sources, out, plan.phases, begin, allow)
    steps = {phase: plan.recipe.phase(phase).steps for phase in plan.phases}
    measured = {phase: each for phase in plan.phases if (each := best(out / "checkpoints" / phase))}
    if json:
        chosen = {phase: {"step": each.step, "error": each.error} for phase, each in measured.items()}
        print_json({"path": str(out), "recipe": plan.recipe.name, "steps": steps, "best": chosen})
        return 0
    print(f"{out}: " + ", ".join(f"{phase} {count:,} steps" for phase, count in steps.items()))
    for phase, each in measured.items():
        print(
            f"{phase}: best on the held-out episodes at step {each.step:,}, error {each.error:.4g} (--checkpoint best)"
        )
    return 0


def _parts(published: tuple[str, ...]) -> dict[str, Path]:
    from polymath.errors import ConfigError

    parts = {}
    for text in published:
        part, separator, path = text.partition("=")
        if not separator:
            raise ConfigError(f"--published {text}: write it as part=path, for example vit=CLIP-ViT-bigG-14")
        if part in parts:
            raise ConfigError(f"--published {text}: {part} is named twice; name it once")
        parts[part] = Path(path)
    return parts


def _recipe(name: str, begin: "Start", adapters: str | None, rank: int | None) -> "Recipe":
    """The preset, with the sizes of the published parts and with adapters if `adapters` names any."""
    from polymath.model import lora
    from polymath.presets import preset
    from polymath.training.adapters import with_adapters, with_adapters_on_published
    from polymath.training.start import as_published

    recipe = as_published(preset(name), begin)
    if adapters is None:
        return recipe
    size = 16 if rank is None else rank
    config = lora.Config(adapters, size, alpha=float(size))
    if begin.run is None and {"vit", "decoder"} <= set(begin.published):
        return with_adapters_on_published(recipe, config)
    return with_adapters(recipe, config)
