"""A training run killed again and again, saves included: `make torture`. One verdict line, exit status.

    python tests/oracles/torture.py [--kills 200] [--steps 1600] [--seed 0] [--keep DIRECTORY]

Both phases of the preset `demo` train once undisturbed and once with SIGKILL at random moments: while Python starts,
while the step compiles, between steps, and (every fourth time) as soon as a checkpoint is half written. The same
command goes on each time, as a supervisor would do it. Afterwards the curves must be the same numbers and the final
weights and moments the same bits, and no restart may have begun before the newest checkpoint that was whole.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from polymath.progress import ProgressBar, progress_bar
from polymath.training.checkpoints import latest_step, stored_sums
from polymath.training.metrics import read_metrics
from polymath.training.recipe import PHASES

TASKS = ("reach-left", "reach-right")
EPISODES, PAIRS = 8, 400
EVERY = 5  # steps between two checkpoints
TAIL = 4096  # bytes at the end of the metrics in which there is a whole line
LONGEST = 120.0  # seconds that a kill waits for its moment
CURVES = ("loss", "grad_norm", "learning_rate", "skipped")


@dataclass
class Tally:
    """What the kills hit."""

    kills: int = 0
    half_written: int = 0
    before_a_step: int = 0
    faults: list[str] = field(default_factory=list)


def record(folder: Path) -> list[str]:
    """The data sets of the run, recorded by the project's own commands; their paths."""
    names = [str(folder / "episodes"), str(folder / "pairs")]
    tasks = ["--tasks", *TASKS, "--workers", "2"]
    polymath("record", "metaworld", *tasks, "--episodes", str(EPISODES), "--out", names[0])
    polymath("record", "captions", *tasks, "--pairs", str(PAIRS), "--out", names[1])
    return names


@dataclass(frozen=True)
class Start:
    """The command of a run, the same for every start. `steps` of each phase; `seconds` until the first of them."""

    folder: Path
    data: tuple[str, ...]
    run: Path
    steps: int
    seconds: float = 0.0

    def process(self) -> subprocess.Popen[str]:
        fields = (
            f"steps={self.steps}",
            f"checkpoint_every={EVERY}",
            "checkpoint_keep=3",
            "log_every=1",
            "optimizer.warmup_steps=20",
            f"optimizer.cooldown_steps={self.steps // 2}",
        )
        settings = [f"{phase}.{field}" for phase in PHASES for field in fields]
        places = ["--tokenizer", str(self.folder / "tokenizer.json"), "--out", str(self.run)]
        command = [sys.executable, "-m", "polymath", "train", "demo", "--data", *self.data, *places]
        return subprocess.Popen(
            [*command, "--set", *settings], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def to_its_end(self) -> float:
        """Run it; the seconds until its first step. Raises CalledProcessError."""
        began, process, first = time.monotonic(), self.process(), 0.0
        while process.poll() is None:
            if not first and progress(self.run, self.steps):
                first = time.monotonic() - began
            time.sleep(0.05)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, "polymath train", stderr=process.communicate()[1])
        return first


def polymath(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "polymath", *words], check=True, stdout=subprocess.DEVNULL)


def is_writing(run: Path) -> bool:
    """Whether a checkpoint is half written now."""
    return any(run.glob("checkpoints/*/*.orbax-checkpoint-tmp*"))


def whole(run: Path) -> dict[str, int]:
    """The newest whole checkpoint of each phase."""
    steps = {phase: latest_step(run / "checkpoints" / phase) for phase in PHASES}
    return {phase: step for phase, step in steps.items() if step is not None}


def progress(run: Path, steps: int) -> int:
    """Steps that are logged, of both phases together, by the last whole line."""
    path = run / "metrics.jsonl"
    if not path.exists():
        return 0
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL))
        lines = file.read().split(b"\n")[:-1]
    last = json.loads(lines[-1]) if lines else {"phase": PHASES[0], "step": 0}
    return PHASES.index(last["phase"]) * steps + last["step"]


@dataclass(frozen=True)
class Moment:
    """When to kill: `seconds` after the start, or `steps` new steps after it, or then at the next half-written save."""

    seconds: float = LONGEST
    steps: int | None = None
    save: bool = False


def draw(draws: random.Random, ahead: bool, left: int, start_seconds: float) -> Moment:
    """A moment; where the run is `ahead`, one that mostly costs it what it has done since its last checkpoint.

    `left`: steps to the end, which it must not reach before the last kill.
    """
    kind = draws.choice(("start", "save", "step", "step"))
    if kind == "start" or left <= 6 * EVERY:
        return Moment(seconds=draws.uniform(0, 0.8 * start_seconds))
    steps = draws.randint(1, EVERY - 1) if ahead else draws.randint(EVERY, 4 * EVERY)
    return Moment(steps=steps, save=kind == "save")


def disturb(start: Start, kills: int, draws: random.Random, bar: ProgressBar) -> Tally:
    """Start the command until it has been killed `kills` times, or is finished, which the moments avoid."""
    tally, run = Tally(), start.run
    while tally.kills < kills:
        before, done = whole(run), progress(run, start.steps)
        ahead = done / (2 * start.steps) > tally.kills / kills
        process = start.process()
        left = 2 * start.steps - done
        if wait(process, start, done, draw(draws, ahead, left, start.seconds)):
            if process.returncode:
                tally.faults.append(f"a start ended with {process.returncode}: {process.communicate()[1][-300:]}")
            return tally
        process.send_signal(signal.SIGKILL)
        process.communicate()
        tally.kills += 1
        tally.half_written += is_writing(run)
        tally.before_a_step += progress(run, start.steps) == done
        if any(whole(run).get(phase, 0) < step for phase, step in before.items()):
            tally.faults.append(f"kill {tally.kills}: of the checkpoints {before} only {whole(run)} are left")
        bar.advance(1, f"step {progress(run, start.steps)} of {2 * start.steps}, {tally.half_written} in a save")
    return tally


def wait(process: subprocess.Popen[str], start: Start, done: int, moment: Moment) -> bool:
    """Until the moment to kill has come; whether the process ended before."""
    latest = time.monotonic() + moment.seconds
    while process.poll() is None:
        reached = moment.steps is not None and progress(start.run, start.steps) - done >= moment.steps
        if time.monotonic() > latest or (reached and (not moment.save or is_writing(start.run))):
            return False
        time.sleep(0.002)
    return True


def differences(run: Path, undisturbed: Path) -> list[str]:
    """What is not the same in the two runs: logged numbers, then the arrays of each phase's last checkpoint."""
    ours, theirs = (
        {
            (line["phase"], line["step"]): [line[name] for name in CURVES]
            for line in read_metrics(path / "metrics.jsonl")
        }
        for path in (run, undisturbed)
    )
    found = [
        f"{phase} step {step}: {CURVES} {ours.get((phase, step))}, undisturbed {numbers}"
        for (phase, step), numbers in theirs.items()
        if ours.get((phase, step)) != numbers
    ]
    for phase in PHASES:
        places = [
            path / "checkpoints" / phase / str(latest_step(path / "checkpoints" / phase)) for path in (run, undisturbed)
        ]
        sums, expected = map(stored_sums, places)
        found += [
            f"{phase}: {name} has the sum {sums.get(name)}, undisturbed {total}"
            for name, total in expected.items()
            if sums.get(name) != total
        ]
    return found


def torture(folder: Path, kills: int, steps: int, seed: int) -> int:
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(folder / "programs"))
    data = record(folder)
    sizes = ["--vocab-size", "2048", "--control-tokens", "512", "--out", str(folder / "tokenizer.json")]
    polymath("tokenizer", "train", *data, "--shipped", *sizes)
    undisturbed = Start(folder, tuple(data), folder / "undisturbed", steps)
    killed = replace(undisturbed, run=folder / "killed", seconds=undisturbed.to_its_end())
    with progress_bar("kills", kills) as bar:
        tally = disturb(killed, kills, random.Random(seed), bar)
    killed.to_its_end()
    wrong = [*tally.faults, *differences(killed.run, undisturbed.run)]
    if tally.kills < kills:
        wrong.append(f"the run was finished after {tally.kills} kills of {kills}; give it more --steps")
    for line in wrong[:20]:
        print(line)
    print(
        f"torture: {'FAIL' if wrong else 'PASS'}: {tally.kills} kills ({tally.half_written} in a save, "
        f"{tally.before_a_step} before a new step), {progress(killed.run, steps)} logged steps and the arrays of both "
        f"phases, {len(wrong)} differences or faults"
    )
    return 1 if wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--steps", type=int, help="of each of the two phases; left out, eight a kill, at least 200")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--keep", type=Path, help="work in this directory and leave it")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        steps = options.steps or max(200, 8 * options.kills)
        return torture(folder, options.kills, steps, options.seed)


if __name__ == "__main__":
    sys.exit(main())
