"""Speed of the model beside others, in one run: same machine, same cores, float32, random weights, equal sizes.

    python benchmarks/model.py [--quick] [--json] [--rounds 3] [--steps 5] [--cores 0 1] [--only decoder-256 policy …]

decoder-256  one training step (forward, backward, AdamW) of a decoder of width 256, equal parameters to the last one:
             ours, the gemma library, transformers in PyTorch
decoder-512  the same at width 512
policy       one 224-pixel picture, a short instruction and the state -> a chunk of 8 actions: ours, LeRobot's SmolVLA
             (10 flow steps) at a matched size, LeRobot's ACT at its own (no language, a ResNet: the floor); twice, with
             a third and with a tenth of the weights in the vision transformer
history      ours with 8 earlier control steps: in the key-value cache, and computed again
abstract     seconds and memory to count, cost and trace the 30B model without its weights

Every contender is a program of `benchmarks/contenders` in a process of its own. They take turns, `--rounds` times each,
so that a busy moment of the machine does not fall on one of them alone; the table shows the median of all steps and the
quickest. The others need `make rivals` (their own environment, 8 GB); without it ours stand alone.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
RIVALS = ROOT / ".venv-rivals" / "bin" / "python"
CONTENDERS = ROOT / "benchmarks" / "contenders"
KINDS = ("decoder-256", "decoder-512", "policy", "history", "abstract")


class Entry(NamedTuple):
    """One contender: the program and its arguments; ours run with this interpreter, the others with `make rivals`'."""

    kind: str
    group: str
    program: str
    arguments: tuple[str, ...]
    rival: bool = False


def entries(steps: int) -> list[Entry]:
    count = str(steps)
    decoders = [
        Entry(f"decoder-{width}", f"decoder of width {width}: training step", program, (str(width), count), rival)
        for width in (256, 512)
        for program, rival in (("polymath_decoder.py", False), ("gemma_decoder.py", True), ("torch_decoder.py", True))
    ]
    policies = [
        Entry("policy", f"{size} policy: picture and instruction to actions", program, (kind, size, count), rival)
        for size in ("vision-heavy", "language-heavy")
        for program, kind, rival in (
            ("polymath_policy.py", "chunk", False),
            ("lerobot_policies.py", "smolvla", True),
            ("lerobot_policies.py", "act", True),
        )
    ]
    history = [
        Entry("history", f"{size} policy with 8 earlier steps", "polymath_policy.py", (way, size, count))
        for size in ("vision-heavy", "language-heavy")
        for way in ("recompute", "stream")
    ]
    return [*decoders, *policies, *history]


ABSTRACT = Entry("abstract", "", "polymath_abstract.py", ())


def run(entry: Entry, cores: set[int]) -> dict[str, Any]:
    """The JSON object on the program's last line."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(len(cores)), "JAX_PLATFORMS": "cpu", "HF_HUB_OFFLINE": "1"}
    command = [RIVALS if entry.rival else sys.executable, "-W", "ignore", CONTENDERS / entry.program, *entry.arguments]
    ran = subprocess.run(
        [str(word) for word in command],
        env=environment,
        cwd=CONTENDERS,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    if ran.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{ran.stderr[-2000:]}")
    figures: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return figures


def compare(rounds: int, chosen: list[Entry], cores: set[int]) -> dict[str, dict[str, dict[str, Any]]]:
    """group -> contender -> its rounds put together."""
    results: dict[str, dict[str, dict[str, Any]]] = {}
    for _ in range(rounds):
        for entry in chosen:
            if entry.rival and not RIVALS.exists():
                continue
            figures = run(entry, cores)
            print(f"{entry.group}: {figures['name']} {statistics.median(figures['seconds']):.3f} s", file=sys.stderr)
            known = results.setdefault(entry.group, {}).setdefault(figures["name"], figures)
            if known is not figures:
                known["seconds"] += figures["seconds"]
                known["cpu_seconds"] += figures["cpu_seconds"]
    return results


def table(group: str, contenders: dict[str, dict[str, Any]]) -> str:
    """Markdown; the ratio is to the first row."""
    lines = [
        f"### {group}\n",
        "| | parameters | median ms | quickest ms | CPU ms | tokens/s | time to the first | peak MB | with |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    first = statistics.median(next(iter(contenders.values()))["seconds"])
    for name, figures in contenders.items():
        middle, cpu = statistics.median(figures["seconds"]), statistics.median(figures["cpu_seconds"])
        rate = f"{figures['tokens'] / middle:,.0f}" if "tokens" in figures else ""
        cells = [name, f"{figures['parameters']:,}", f"{1e3 * middle:,.0f}", f"{1e3 * min(figures['seconds']):,.0f}"]
        cells += [f"{1e3 * cpu:,.0f}", rate, f"{middle / first:.2f}", f"{figures['peak_bytes'] / 1e6:,.0f}"]
        cells.append(", ".join(f"{package} {version}" for package, version in figures["versions"].items()))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5, help="measured steps of each contender and round")
    parser.add_argument("--cores", type=int, nargs="+", default=sorted(os.sched_getaffinity(0)))
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--quick", action="store_true", help="one round of one step, to see that everything runs")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rounds, steps = (1, 1) if arguments.quick else (arguments.rounds, arguments.steps)
    chosen, cores = [entry for entry in entries(steps) if entry.kind in arguments.only], set(arguments.cores)
    results = compare(rounds, chosen, cores)
    abstract = [run(ABSTRACT, cores)] if ABSTRACT.kind in arguments.only else []
    if arguments.json:
        print(json.dumps({"comparisons": results, "abstract": abstract}, indent=2))
        return
    print(f"{len(cores)} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f} at the end\n")
    print("\n".join(table(group, contenders) for group, contenders in results.items()))
    for figures in abstract:
        print(
            f"{figures['name']}: counted and costed in {figures['count_seconds']:.1f} s, shapes of the loss and its "
            f"gradient in {figures['shapes_seconds']:.1f} s, {figures['grown_bytes'] / 1e6:.0f} MB"
        )
    if not RIVALS.exists():
        print("Ours alone: `make rivals` installs the others.")


if __name__ == "__main__":
    main()
