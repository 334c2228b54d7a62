"""Directories for LeRobot: its files as lerobot 0.6.1 writes them, and the same bits by `Policy.load` and `import`.

That the real lerobot loads and evaluates them: tests/oracles/lerobot_eval.py (`make lerobot-eval-check`).
"""

import json
import re
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from polymath import config as configs
from polymath.errors import CheckpointError, ConfigError, PolymathError
from polymath.evaluation.run_candidate import of_run
from polymath.model import polymath_v
from polymath.policy import Policy, lerobot
from polymath.policy.exported import export_run, import_run
from polymath.policy.exported_kinds import is_exported
from polymath.policy.weights import run_of
from polymath.specs import named
from polymath.training.checkpoints import Checkpoints
from polymath.training.run import Run
from polymath.training.step import init_state

from .conftest import RECIPE, ROBOT, observation

# Keys and values of policy_preprocessor.json as lerobot 0.6.1's own `save_pretrained` writes them.
PREPROCESSOR = {
    "name": "policy_preprocessor",
    "steps": [
        {"registry_name": "rename_observations_processor", "config": {"rename_map": {}}},
        {"registry_name": "to_batch_processor", "config": {}},
        {"registry_name": "device_processor", "config": {"device": "cpu", "float_dtype": None}},
    ],
}


@pytest.fixture(scope="module")
def trained(run: Run, params: polymath_v.Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "run"
    path.mkdir()
    run.tokenizer.save(path / "tokenizer.json")
    parts = {"embodiment": run.embodiment, "statistics": run.statistics, "data": run.data, "config": run.recipe}
    for name, value in parts.items():
        configs.save(value, path / f"{name}.json")
    state = init_state(run.recipe.model, run.recipe.robot.optimizer, jax.tree.map(jnp.asarray, params))
    with Checkpoints(path / "checkpoints" / "robot", every=1) as checkpoints:
        checkpoints.save(state._replace(step=jnp.asarray(3, jnp.int32)), now=True)
    return path


@pytest.fixture(scope="module")
def exported(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exported") / "model"
    export_run(trained, out, format="lerobot")
    return out


def content(path: Path) -> dict:
    return json.loads(path.read_text())


def test_lerobot_s_description_is_the_run_s_contract(exported: Path) -> None:
    described = content(exported / "config.json")
    assert described["type"] == "polymath_v"
    size = RECIPE.layout.image_size
    assert described["input_features"] == {
        "observation.images.front": {"type": "VISUAL", "shape": [3, size, size]},
        "observation.state": {"type": "STATE", "shape": [4]},
    }
    assert described["output_features"] == {"action": {"type": "ACTION", "shape": [3]}}
    assert described["action_feature_names"] == ["dx", "dy", "gripper"]
    assert described["n_action_steps"] == 2  # layout.stride: the run has a window of several observations
    assert described["chunk_size"] == RECIPE.layout.chunk_length


def test_nothing_is_normalised_outside_the_policy(exported: Path) -> None:
    """No normaliser among the steps, and IDENTITY where LeRobot would make one; both steps it overrides are there."""
    assert content(exported / "policy_preprocessor.json") == PREPROCESSOR
    after = content(exported / "policy_postprocessor.json")
    assert [step["registry_name"] for step in after["steps"]] == ["device_processor"]
    assert set(content(exported / "config.json")["normalization_mapping"].values()) == {"IDENTITY"}


def test_actions_executed_without_a_history() -> None:
    """As `polymath eval`: two, or the whole of a shorter chunk."""
    for chunk, executed in ((4, 2), (1, 1)):
        layout = replace(RECIPE.layout, window=1, stride=1, chunk_length=chunk)
        assert lerobot.config(ROBOT, replace(RECIPE, layout=layout))["n_action_steps"] == executed


def test_it_comes_back_bit_for_bit(trained: Path, exported: Path, tmp_path: Path) -> None:
    import_run(exported, tmp_path / "again")
    policies = [Policy.load(path, batch=1) for path in (trained, exported, tmp_path / "again")]
    weights = [dict(named(policy.params)) for policy in policies]
    for name in weights[0]:
        np.testing.assert_array_equal(weights[0][name], weights[1][name], err_msg=name)
        np.testing.assert_array_equal(weights[0][name], weights[2][name], err_msg=name)
    answers = [policy.open().act(observation(0)).actions for policy in policies]
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(answers[0], answers[2])


def test_an_exported_directory_is_evaluated_as_it_is(trained: Path, exported: Path) -> None:
    candidate = of_run(exported)
    assert candidate.name == "model"
    assert candidate.execute == 2
    assert re.fullmatch(r"[0-9a-f]{16}", candidate.weights)


def test_a_directory_for_hugging_face_loads_too(trained: Path, tmp_path: Path) -> None:
    export_run(trained, tmp_path / "hf")
    assert is_exported(tmp_path / "hf")
    assert not is_exported(trained)
    assert Policy.load(tmp_path / "hf").run.embodiment == ROBOT


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("polymath_v.json", "{", "polymath_v.json"),
        ("polymath_v.json", None, "polymath_v.json: no such file, but LeRobot's files are there"),
        ("embodiment.json", None, "embodiment.json"),
        ("statistics.json", "{}", "statistics.json"),
        ("model-00001-of-00001.safetensors", "", "model-00001-of-00001.safetensors"),
    ],
)
def test_a_damaged_directory_names_the_file(exported: Path, tmp_path: Path, file, text, message) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for each in exported.iterdir():
        if each.name != file:
            (copy / each.name).write_bytes(each.read_bytes())
        elif text is not None:
            (copy / file).write_text(text)
    with pytest.raises((PolymathError, CheckpointError), match=re.escape(message)) as error:
        Policy.load(copy)
    assert "\n" not in str(error.value)


def test_adapters_alone_have_no_base_in_lerobot(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="LeRobot evaluates whole models; export with --adapters merged"):
        export_run(trained, tmp_path / "out", "alone", format="lerobot")
    assert not (tmp_path / "out").exists()


def test_an_export_is_no_run_to_export(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"was written by `polymath export`; .*polymath import"):
        export_run(exported, tmp_path / "again", format="lerobot")
    assert run_of(exported).embodiment == ROBOT, "it is served as it is"
