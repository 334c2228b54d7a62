"""Each recorded public decoder with a tokenizer of its kind: 20 steps of training, export and back, bit for bit.

python tests/oracles/language_runs.py OUT          every family of tests/fixtures/language
python tests/oracles/language_runs.py OUT gemma3   one of them
"""

import argparse
import shutil
import sys
from pathlib import Path

import numpy as np
from tests.tokenizer.public_kinds import KINDS

from polymath import cli
from polymath.data.formats.lerobot.writer import LeRobotWriter
from polymath.policy.policy import Policy
from polymath.specs import named
from polymath.tokenizer import Tokenizer
from polymath.training.checkpoints import load_params
from polymath.training.run import open_run
from polymath.types import Embodiment, Episode, Observation

FIXTURES = Path(__file__).parents[1] / "fixtures" / "language"
TOKENIZERS = {"gemma": "gemma", "phi": "llama2", "mistral": "llama2", "smollm": "llama3"}  # else that of Qwen
STEPS = 20
ROBOT = Embodiment(
    name="arm",
    slot=0,
    cameras=("front",),
    state_names=("x", "y", "z", "gripper"),
    action_names=("dx", "dy", "dz", "gripper"),
    gripper_dims=(3,),
    control_hz=20.0,
)


def episodes(place: Path) -> Path:
    rng = np.random.default_rng(0)
    with LeRobotWriter(place, ROBOT, 20, 64, False, {"renderer": "none"}) as writer:
        for _ in range(4):
            images = {"front": rng.integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)}
            states, actions = rng.normal(size=(6, 4)), rng.uniform(-1, 1, (6, 4))
            writer.add(
                Episode(images, states.astype(np.float32), actions.astype(np.float32), "lift it", "lift", ROBOT.name)
            )
    return place


def whole_way(name: str, data: Path, out: Path) -> None:
    """End the program where anything differs."""
    folder = Path(shutil.copytree(FIXTURES / name, out / "model"))
    kind = next((kind for start, kind in TOKENIZERS.items() if name.startswith(start)), "qwen")
    KINDS[kind]().save(str(folder / "tokenizer.json"))
    words = ["train", "tiny", "--data", data, "--out", out / "run", "--published", f"decoder={folder}"]
    words += ["--set", f"robot.steps={STEPS}", "robot.rows=2", "layout.window=2", "layout.stride=1"]
    words += ["model.decoder.context=512"]  # the toy models were made for 64
    expect(cli.main([str(word) for word in words]) == 0, f"{name}: training")
    run = open_run(out / "run")
    expect(run.tokenizer.same_ids(Tokenizer.from_public(folder)), f"{name}: its own tokenizer")
    params = load_params(run.checkpoints("robot"), run.recipe.model, run.recipe.robot.optimizer)
    expect(cli.main(["export", str(run.path), "--out", str(out / "export")]) == 0, f"{name}: export")
    expect(cli.main(["import", str(out / "export"), "--out", str(out / "again")]) == 0, f"{name}: import")
    first, second = Policy.load(out / "run"), Policy.load(out / "again")
    for (weight, ours), (_, theirs) in zip(named(params), named(second.params), strict=True):
        expect(np.array_equal(np.asarray(ours), np.asarray(theirs)), f"{name}: {weight} after export and import")
    seen = Observation({"front": np.zeros((64, 64, 3), np.uint8)}, np.zeros(4, np.float32), "lift </s> it", ROBOT.name)
    sessions = [policy.open() for policy in (first, second)]
    for turn in range(3):  # through the key-value cache, which holds a window of two
        executed = np.zeros((1, 4), np.float32) if turn else None
        answers = [session.act(seen, executed).actions for session in sessions]
        expect(np.array_equal(*answers), f"{name}: the same actions")
    print(f"{name:16s} {STEPS} steps, export and import bit for bit", flush=True)


def expect(holds: bool, name: str) -> None:
    if not holds:
        sys.exit(f"{name}: failed, or differs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    shutil.rmtree(arguments.out, ignore_errors=True)
    data = episodes(arguments.out / "episodes")
    for name in arguments.names or sorted(path.name for path in FIXTURES.iterdir() if path.is_dir()):
        whole_way(name, data, arguments.out / name)


if __name__ == "__main__":
    main()
