"""Our training step beside MaxText's: the same decoder, mesh and chips, compiled ahead of time by the same libtpu.

    make maxtext                                                            MaxText, into an environment of its own
    python benchmarks/maxtext.py [--depth 44] [--gradients bfloat16] [--optimizers adamw sgd] [--out DIR] [--json]

What the compiler says of one of 512 TPU v4 chips is set side by side: memory, and the bytes that a step sends. Both use
full rematerialisation, 4 sequences of 4,096 tokens a chip, weights in float32 spread over all 512 chips, products in
bfloat16, splash attention, a cross-entropy in tiles of 1,024 tokens, asynchronous gathers. MaxText reduces its
gradients in bfloat16; it has no Adafactor, so its optimizer is AdamW, or SGD, which keeps no state at all. Ours has
Adafactor and besides the decoder what makes it a policy, at sizes that do not count. It needs no TPU; a compilation
takes two minutes of one core or more. The last line compares ours with the least of MaxText's.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from polymath.planning.collectives import collectives, summary
from polymath.planning.compiled import LIBTPU_ALONE
from polymath.planning.hlo import parse
from polymath.presets import preset

ROOT = Path(__file__).parents[1]
PYTHON = ROOT / ".venv-maxtext" / "bin" / "python"
CONTENDERS = ROOT / "benchmarks" / "contenders"
GIB, CHIPS = 2**30, 512
KINDS = ("all-gather", "reduce-scatter", "all-reduce")


def fields(depth: int, optimizer: str, out: Path) -> list[str]:
    """MaxText's configuration with the decoder of `polymath_v_30b`."""
    recipe = preset("polymath_v_30b")
    decoder, rows = recipe.model.decoder, recipe.robot.rows // CHIPS
    settings: dict[str, Any] = {
        "run_name": "compile",
        "base_output_directory": out,
        "enable_checkpointing": False,
        "dataset_type": "synthetic",
        "compile_topology": "v4-1024",  # MaxText's name of 8x8x8 chips
        "compile_topology_num_slices": 1,
        "compile_xla_flags": "--xla_enable_async_all_gather=true",
        "ici_fsdp_parallelism": CHIPS,
        "per_device_batch_size": rows,
        "max_target_length": recipe.layout.length,
        "num_vocab_tiling": rows * recipe.layout.length // recipe.robot.loss.tile,
        "base_num_decoder_layers": depth,
        "base_emb_dim": decoder.width,
        "base_num_query_heads": decoder.heads,
        "base_num_kv_heads": decoder.kv_heads,
        "head_dim": decoder.head_width,
        "base_mlp_dim": decoder.mlp,
        "vocab_size": decoder.vocabulary,
        "rope_max_timescale": int(decoder.rope_theta),
        "logits_via_embedding": decoder.tied,
        "normalize_embedding_logits": False,
        "use_qk_norm": decoder.qk_norm,
        "attention": "flash",
        "remat_policy": "full",
        "opt_type": optimizer,
        "dtype": "bfloat16",
        "weight_dtype": "float32",
    }
    return [f"{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in settings.items()]


def compiled(program: str, out: Path, arguments: list[str]) -> dict[str, Any]:
    """Run a contender; memory and collectives of what it left in `out`."""
    command = [str(PYTHON), "-W", "ignore", str(CONTENDERS / program), str(out), *arguments]
    environment = {**os.environ, **LIBTPU_ALONE, "JAX_PLATFORMS": "cpu"}
    environment.pop("TPU_LIBRARY_PATH", None)  # where the libtpu of this process lies, set by jax
    ran = subprocess.run(command, env=environment, cwd=CONTENDERS, capture_output=True, text=True, check=False)
    if ran.returncode:
        sys.exit(f"{' '.join(command)}\n{ran.stderr[-3000:]}")
    return read(out)


def read(out: Path) -> dict[str, Any]:
    operations = collectives(parse((out / "program.txt").read_text()), CHIPS)
    sent = sum(one.times * one.wire_bytes for one in operations)
    memory: dict[str, Any] = json.loads((out / "memory.json").read_text())
    return {**memory, "collectives": summary(operations), "wire_bytes": int(sent)}


def table(steps: dict[str, dict[str, Any]]) -> str:
    header = "| | temporary GiB | arguments GiB | peak GiB | gathered GiB | reduce-scattered GiB | all-reduced GiB |"
    lines = [f"{header} over the links GiB |", "| --- |" + " ---: |" * 7]
    for name, step in steps.items():
        memory = [step[f"{kind}_in_bytes"] for kind in ("temp_size", "argument_size", "peak_memory")]
        sent = [step["collectives"].get(kind, {"bytes": 0})["bytes"] for kind in KINDS]
        cells = " | ".join(f"{size / GIB:.2f}" for size in (*memory, *sent, step["wire_bytes"]))
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--depth", type=int, default=preset("polymath_v_30b").model.decoder.depth, help="layers")
    parser.add_argument("--gradients", choices=["float32", "bfloat16"], default="bfloat16", help="ours, on their way")
    parser.add_argument("--optimizers", nargs="+", choices=["adamw", "sgd"], default=["adamw"], help="MaxText's")
    parser.add_argument("--out", type=Path, help="keep the compiled programs' texts here")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not PYTHON.exists():
        print("MaxText is not here: `make maxtext` installs it (Python 3.12 or newer, 3 GB)")
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        out = options.out or Path(temporary)
        ours = compiled("polymath_compile.py", out / "ours", [str(options.depth), "full", options.gradients])
        steps = {f"ours, Adafactor, gradients in {options.gradients}": ours}
        for name in options.optimizers:
            arguments = fields(options.depth, name, out / "logs")
            steps[f"MaxText 0.2.5, {name}"] = compiled("maxtext_compile.py", out / name, arguments)
    theirs = [step for step in steps.values() if step is not ours]
    print(
        json.dumps(steps, indent=2) if options.json else f"{table(steps)}\n\n{ours['versions']}, {options.depth} layers"
    )
    if not options.json:
        print("ours / theirs: " + ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios(ours, theirs).items()))
    return 0


def ratios(ours: dict[str, Any], theirs: list[dict[str, Any]]) -> dict[str, float]:
    """Ours over the least of the others."""
    measures = {
        "temporary memory": "temp_size_in_bytes",
        "peak memory": "peak_memory_in_bytes",
        "bytes over the links": "wire_bytes",
    }
    return {name: ours[key] / min(step[key] for step in theirs) for name, key in measures.items()}


if __name__ == "__main__":
    sys.exit(main())
