"""`polymath export`, `polymath import`."""

from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from polymath.cli_output import print_json


def export(
    run: Positional[Path], out: Path, format: Literal["hf"] = "hf", push: str | None = None, json: bool = False
) -> None:
    """A run's newest robot weights with all they need, as a directory that Hugging Face's libraries read.

    Example: polymath export run --out exported

    Args:
        run: A run directory with a trained robot phase.
        out: The directory to write; it must not exist yet.
        format: hf: config.json, sharded safetensors, tokenizer.json, statistics, a model card.
        push: Upload it to this repository (ORG/NAME) of the Hugging Face Hub as well.
        json: Print one JSON object instead of a line.
    """
    from polymath.policy.exported import export_run
    from polymath.policy.hub import push as push_directory

    export_run(run, out)
    address = None if push is None else push_directory(out, push)
    size = sum(path.stat().st_size for path in out.iterdir())
    if json:
        print_json({"path": str(out), "format": format, "bytes": size, "pushed": address})
    else:
        print(f"{out}: {size / 1e6:,.1f} MB" + (f", uploaded to {address}" if address else ""))


def import_(source: Positional[str], out: Path, json: bool = False) -> None:
    """An exported model becomes a run directory again, to evaluate, serve or train further.

    Example: polymath import exported --out run2

    Args:
        source: An exported directory, or ORG/NAME on the Hugging Face Hub.
        out: The run directory to write; it must not exist yet.
        json: Print one JSON object instead of a line.
    """
    from polymath.policy.exported import import_run
    from polymath.policy.hub import fetch

    run = import_run(fetch(source), out)
    if json:
        print_json({"path": str(out), "recipe": run.recipe.name})
    else:
        print(f"{out}: {run.recipe.name}")
