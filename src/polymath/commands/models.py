"""`polymath export`, `polymath import`, `polymath inspect`."""

from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from polymath.commands.output import print_json


def export(
    run: Positional[Path],
    out: Path,
    format: Literal["hf", "lerobot", "stablehlo", "onnx"] = "hf",
    adapters: Literal["kept", "merged", "alone"] = "kept",
    checkpoint: str = "newest",
    embodiment: str | None = None,
    push: str | None = None,
    json: bool = False,
) -> None:
    """A run's robot weights with all they need, as a directory that Hugging Face's libraries or LeRobot read.

    Example: polymath export run --out exported

    Args:
        run: A run directory with a trained robot phase.
        out: The directory to write; it must not exist yet.
        format: hf: config.json, sharded safetensors, tokenizer.json, statistics, a model card. lerobot: the same, with
            LeRobot's config.json and processors, for `lerobot-eval --policy.path=OUT`. stablehlo: the forward pass as a
            program for cpu, cuda and tpu, beside the weights. onnx: is not offered.
        adapters: Of a run that trained adapters: as they are, merged into the weights, or without the weights below
            them (then what was trained beside the adapters comes along).
        checkpoint: newest, best on the episodes that the run held out, or a step.
        embodiment: Of a run of several robots the one that is exported, by its name; left out, all of them, but for
            LeRobot, whose policies have one.
        push: Upload it to this repository (ORG/NAME) of the Hugging Face Hub as well.
        json: Print one JSON object instead of a line.
    """
    from polymath.policy.exported import export_run
    from polymath.policy.hub import push as push_directory
    from polymath.policy.stablehlo import export_stablehlo, refuse_onnx

    if format == "onnx":
        refuse_onnx()
    elif format == "stablehlo":
        export_stablehlo(run, out, adapters, checkpoint, embodiment)
    else:
        export_run(run, out, adapters, format=format, checkpoint=checkpoint, embodiment=embodiment)
    address = None if push is None else push_directory(out, push)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    if json:
        print_json({"path": str(out), "format": format, "bytes": size, "pushed": address})
    else:
        print(f"{out}: {size / 1e6:,.1f} MB" + (f", uploaded to {address}" if address else ""))


def import_(source: Positional[str], out: Path, base: str | None = None, json: bool = False) -> None:
    """An exported model becomes a run directory again, to evaluate, serve or train further.

    Example: polymath import exported --out run2

    Args:
        source: An exported directory, or ORG/NAME on the Hugging Face Hub.
        out: The run directory to write; it must not exist yet.
        base: The model below adapters that were exported alone: a directory, a run, or ORG/NAME. Its hash must be that
            of the weights that the adapters were trained on.
        json: Print one JSON object instead of a line.
    """
    from polymath.policy.exported import import_run
    from polymath.policy.hub import fetch

    run = import_run(fetch(source), out, None if base is None else fetch(base))
    if json:
        print_json({"path": str(out), "recipe": run.recipe.name})
    else:
        print(f"{out}: {run.recipe.name}")


def inspect(
    run: Positional[Path], out: Path, tokens: bool = False, attention: bool = False, row: int = 0, json: bool = False
) -> None:
    """Pictures of a run's example batch: the token sequence, who attends to whom, where the latents look.

    Example: polymath inspect run --out pictures --attention

    Args:
        run: A run directory with a trained robot phase.
        out: The directory to write; it must not exist yet.
        tokens: Only tokens.png: one packed row, token by token.
        attention: Only mask.png and latents.png: the attention mask, and the patches that the latents look at.
        row: Which row of the example batch.
        json: Print one JSON list of the files instead of lines.
    """
    from polymath.errors import ConfigError
    from polymath.files import atomic_directory
    from polymath.policy import weights
    from polymath.policy.pictures import draw_latents, draw_mask, draw_tokens
    from polymath.training.run import load_example_batch

    opened, params = weights.load(run)
    example = run / "example_batch.safetensors"
    if not example.exists():
        raise ConfigError(f"{example}: no such file; finish the robot phase with `polymath train`")
    batch = load_example_batch(example)
    if not 0 <= row < len(batch.tokens):
        raise ConfigError(f"--row {row}: the example batch has rows 0 to {len(batch.tokens) - 1}")
    pictures = {}
    if tokens or not attention:
        pictures["tokens.png"] = draw_tokens(opened.tokenizer, batch, row)
    if attention or not tokens:
        pictures["mask.png"] = draw_mask(batch.segment_ids, row)
        pictures["latents.png"] = draw_latents(params, opened.recipe.model, batch, row)
    with atomic_directory(out) as place:
        for name, picture in pictures.items():
            picture.save(place / name)
    if json:
        print_json([str(out / name) for name in pictures])
    else:
        print("\n".join(str(out / name) for name in pictures))
