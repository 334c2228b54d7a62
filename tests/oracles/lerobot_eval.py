"""The real lerobot-eval against `polymath eval`: one exported run, the same held-out episodes, success by success.

    python tests/oracles/lerobot_eval.py RUN OUT [--tasks faucet-open] [--episodes 4]

Runs in an environment that has lerobot, this project and its packages for LeRobot (`make lerobot-eval-check` makes it).
OUT/lerobot/eval_info.json is lerobot-eval's own file, OUT/ours/episodes the log of `polymath eval`.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from lerobot.configs import PreTrainedConfig
from lerobot.envs import make_env_config
from lerobot.policies import get_policy_class, make_policy, make_pre_post_processors
from lerobot.rollout.context import _load_pretrained_policy
from lerobot.utils.import_utils import register_third_party_plugins

from polymath.errors import DataError
from polymath.evaluation.episode_log import read_episodes
from polymath.policy import Policy
from polymath.types import Observation

BIN = Path(sys.executable).parent
TYPES = {"metaworld": "polymath_metaworld", "calvin": "calvin", "bridge": "simpler"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--benchmark", default="metaworld", choices=TYPES)
    parser.add_argument("--tasks", nargs="+", default=["button-press-topdown-right", "handle-press-left"])
    parser.add_argument("--episodes", type=int, default=4)
    parser.add_argument("--execute", type=int, default=2)
    parser.add_argument("--asynchronous", action="store_true", help="lerobot's environments in processes of their own")
    options = parser.parse_args()
    options.out.mkdir(parents=True)
    exported = options.out / "exported"
    polymath("export", options.run, "--format", "lerobot", "--out", exported)
    size = json.loads((options.run / "config.json").read_text())["layout"]["image_size"]
    if options.benchmark == "metaworld":
        check_loading(exported, size)
    theirs = by_lerobot(options, exported, size)
    ours = by_polymath(options)
    different = compare(theirs, ours)
    sys.exit(f"{different} episodes ended differently" if different else 0)


def polymath(*arguments: object) -> None:
    subprocess.run([BIN / "polymath", *map(str, arguments)], check=True)


def check_loading(exported: Path, size: int) -> None:
    """make_policy and lerobot-rollout's loader give the policy that `Policy.load` gives, to the bit."""
    register_third_party_plugins()
    config = PreTrainedConfig.from_pretrained(exported)
    config.pretrained_path = exported
    env = make_env_config("polymath_metaworld", image_size=size, task="faucet-open")
    policies = [make_policy(config, env_cfg=env), _load_pretrained_policy(config)]
    overrides = {"device_processor": {"device": "cpu"}, "rename_observations_processor": {"rename_map": {}}}
    before, after = make_pre_post_processors(config, str(exported), preprocessor_overrides=overrides)
    fresh, _ = make_pre_post_processors(config)
    print(f"processors: {[step.__class__.__name__ for step in before.steps]}")
    assert [type(step) for step in fresh.steps] == [type(step) for step in before.steps]
    direct = Policy.load(exported, batch=config.batch)
    robot, rng = direct.run.embodiment, np.random.default_rng(0)
    pictures = {camera: rng.integers(0, 256, (size, size, 3), np.uint8) for camera in robot.cameras}
    state = rng.normal(size=robot.state_dim).astype(np.float32)
    chunk = direct.open().act(Observation(pictures, state, "open the faucet", robot.name))
    batch = {
        f"observation.images.{camera}": torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
        for camera, picture in pictures.items()
    }
    batch |= {"observation.state": torch.from_numpy(state)[None], "task": ["open the faucet"]}
    for policy in policies:
        policy.reset()
        actions = [after(policy.select_action(before(dict(batch))))[0].numpy() for _ in range(config.n_action_steps)]
        np.testing.assert_array_equal(actions, chunk.actions[: config.n_action_steps])
        np.testing.assert_array_equal(policy.predict_action_chunk(before(dict(batch)))[0].numpy(), chunk.actions)
    check_refusals(config, batch)
    saved = exported.parent / "saved"
    policies[0].save_pretrained(saved)
    again = get_policy_class("polymath_v").from_pretrained(saved)
    np.testing.assert_array_equal(again.predict_action_chunk(before(dict(batch)))[0].numpy(), chunk.actions)
    print("make_policy, lerobot-rollout's loader and save_pretrained: the actions of Policy.load, to the bit")


def check_refusals(config: PreTrainedConfig, batch: dict) -> None:
    """A wrong camera, state, picture and action width are one line with both sides."""
    policy = make_policy(config, env_cfg=make_env_config("polymath_metaworld", task="faucet-open"))
    camera = next(name for name in batch if name.startswith("observation.images."))
    wrong = {
        "the environment has": {name: value for name, value in batch.items() if name != camera},
        "the checkpoint needs [rows": batch | {"observation.state": torch.zeros(1, 99)},
        "the checkpoint needs 0 to 1": batch | {camera: batch[camera] * 3 - 1},
        "task: None": {name: value for name, value in batch.items() if name != "task"},
    }
    for message, other in wrong.items():
        refused(message, lambda other=other: policy.select_action(other))
    other_robot, fresh = (
        make_env_config("calvin", task="chain"),
        PreTrainedConfig.from_pretrained(config.pretrained_path),
    )
    fresh.pretrained_path = config.pretrained_path
    refused("the environment takes [7]", lambda: make_policy(fresh, env_cfg=other_robot))


def refused(message: str, call: Callable[[], object]) -> None:
    """Print the one line of the DataError that `call` raises, which holds `message`."""
    try:
        call()
    except DataError as error:
        line = str(error)
    else:
        sys.exit(f"not refused: {message}")
    if message not in line or "\n" in line:
        sys.exit(f"refused otherwise than with one line that says {message!r}: {line}")
    print(f"refused: {line}")


def by_lerobot(options: argparse.Namespace, exported: Path, size: int) -> dict[tuple[str, int], bool]:
    """(task, n) -> success, as eval_info.json has them."""
    out = options.out / "lerobot"
    command = [
        BIN / "lerobot-eval",
        f"--policy.path={exported}",
        f"--policy.n_action_steps={options.execute}",
        f"--env.type={TYPES[options.benchmark]}",
        f"--env.image_size={size}",
        f"--env.task={','.join(options.tasks)}",
        f"--eval.n_episodes={options.episodes}",
        f"--eval.batch_size={min(options.episodes, 4)}",
        f"--eval.use_async_envs={str(options.asynchronous).lower()}",
        "--seed=0",
        f"--output_dir={out}",
    ]
    subprocess.run(list(map(str, command)), check=True, env=os.environ | {"HF_HUB_OFFLINE": "1"})
    info = json.loads((out / "eval_info.json").read_text())
    print(f"eval_info.json: overall {info['overall']['pc_success']:.1f} % of {info['overall']['n_episodes']}")
    return {
        (each["task_group"], index): success
        for each in info["per_task"]
        for index, success in enumerate(each["metrics"]["successes"])
    }


def by_polymath(options: argparse.Namespace) -> dict[tuple[str, int], bool]:
    """The same from the log of `polymath eval` of the run itself."""
    out = options.out / "ours"
    arguments = ["--tasks", *options.tasks, "--splits", "seen"] if options.benchmark == "metaworld" else []
    polymath(
        "eval", options.benchmark, "--policy", options.run, "--name", "run", *arguments,
        "--episodes", options.episodes, "--execute", options.execute, "--workers", 1, "--out", out,
    )  # fmt: skip
    _, episodes = read_episodes(out / "episodes" / "run.jsonl")
    first = min(key.seed for key in episodes)
    return {(key.task, key.seed - first): result.success for key, result in episodes.items()}


def compare(theirs: dict[tuple[str, int], bool], ours: dict[tuple[str, int], bool]) -> int:
    """Print both; the number of episodes that differ."""
    assert set(theirs) == set(ours), (sorted(theirs), sorted(ours))
    print("task                     lerobot-eval  polymath eval  episodes that differ")
    for task in dict.fromkeys(task for task, _ in theirs):
        keys = [key for key in theirs if key[0] == task]
        different = sum(theirs[key] != ours[key] for key in keys)
        print(
            f"{task:24} {sum(theirs[key] for key in keys):5} of {len(keys)} {sum(ours[key] for key in keys):9} of "
            f"{len(keys)} {different:12}"
        )
    return sum(theirs[key] != ours[key] for key in theirs)


if __name__ == "__main__":
    main()
