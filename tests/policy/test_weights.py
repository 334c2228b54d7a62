"""Inference holds the weights alone: in which dtype, where, how many bytes, and with the same answers."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.compilation import QUICK

from polymath import specs as weights
from polymath.errors import CheckpointError, ConfigError
from polymath.evaluation.run_candidate import of_run
from polymath.model import int8, polymath_v
from polymath.model.execution import Execution
from polymath.policy import Policy
from polymath.policy.exported import export_run
from polymath.policy.weights import abstract, device_bytes, largest_shard
from polymath.presets.polymath_v import POLYMATH_V_30B
from polymath.sharding import mesh as meshes
from polymath.sharding.table import abstract_partitioner
from polymath.specs import named
from polymath.training import stored_weights as stored_weights_module
from polymath.training.checkpoints import load_params
from polymath.training.run import Run
from polymath.training.stored_weights import stored_weights, together

from .conftest import RECIPE, observation
from .stored_runs import stored

ROOT = Path(__file__).parents[2]
EIGHT = replace(RECIPE.model.decoder, heads=8, kv_heads=8, head_width=16)
ALONE = replace(RECIPE, layout=replace(RECIPE.layout, window=1))  # one program a policy
GB = 10**9


@pytest.fixture(scope="module")
def trained(run: Run, params: polymath_v.Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored(tmp_path_factory.mktemp("runs") / "run", run, ALONE, params)


@pytest.fixture(scope="module")
def half(run: Run, params: polymath_v.Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same weights, computed with in bfloat16."""
    recipe = replace(ALONE, execution=replace(ALONE.execution, dtype="bfloat16"))
    return stored(tmp_path_factory.mktemp("runs") / "half", run, recipe, params)


def answer(policy: Policy) -> np.ndarray:
    return policy.open().act(observation(0)).actions


def test_the_weights_are_the_checkpoints_and_no_optimizer_state_is_read(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = load_params(trained / "checkpoints" / "robot", RECIPE.model, RECIPE.robot.optimizer)
    read: list[str] = []
    restored = stored_weights_module._restored

    def spy(reader: Any, step: int, target: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        read.extend(f"{group}.{name}" for group, leaves in target.items() for name in leaves)
        return restored(reader, step, target)

    monkeypatch.setattr(stored_weights_module, "_restored", spy)
    params = Policy.load(trained).params
    for (name, ours), (_, theirs) in zip(named(params), named(expected), strict=True):
        np.testing.assert_array_equal(ours, theirs, err_msg=name)
    assert len(read) == len(dict(named(params)))
    assert {name.split(".")[0] for name in read} <= {"trainable", "frozen"}


def test_a_changed_byte_is_noticed_as_in_a_whole_restore(trained: Path, tmp_path: Path) -> None:
    """tests/training/test_checkpoints.py does the same to a whole state."""
    broken = tmp_path / "run"
    shutil.copytree(trained, broken)
    [file] = [path for path in broken.glob("checkpoints/robot/3/**/_CHECKPOINT_METADATA") if path.is_file()][:1]
    content = json.loads(file.read_text())
    name = "trainable.decoder.blocks.gate"
    content["custom_metadata"]["checksums"][name] = "float32 1"
    file.write_text(json.dumps(content))
    with pytest.raises(
        CheckpointError, match=f"the checkpoint is damaged .{name} has the checksum float32 .*saved was"
    ):
        Policy.load(broken)


def test_a_checkpoint_of_another_model_is_refused(trained: Path) -> None:
    deeper = replace(RECIPE.model, decoder=replace(RECIPE.model.decoder, depth=RECIPE.model.decoder.depth + 1))
    device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    with pytest.raises(CheckpointError, match=r"does not fit the recipe: decoder\.blocks"):
        list(stored_weights(trained / "checkpoints" / "robot", deeper, lambda name, spec: device))


def test_a_directory_that_is_named_by_dots_has_a_name(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name stands in tables and file names."""
    (trained / "inside").mkdir(exist_ok=True)
    for place, path in ((trained, "."), (trained / "inside", ".."), (trained.parent, "run/")):
        monkeypatch.chdir(place)
        assert Policy.load(Path(path)).name == "run"
        assert of_run(Path(path)).name == "run"


def test_small_arrays_are_read_together_and_large_ones_alone() -> None:
    sizes = {"a": 3, "b": 3, "c": 5, "d": 20, "e": 1, "f": 9}
    assert together(sizes, 10) == [["a", "b"], ["c"], ["d"], ["e", "f"]]


def test_a_run_without_a_robot_phase(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints"))
    with pytest.raises(CheckpointError, match="no such directory; train that phase first"):
        Policy.load(tmp_path / "run")


def test_bfloat16_holds_half_the_bytes_and_answers_with_the_same_bits(half: Path) -> None:
    usual, masters = Policy.load(half), Policy.load(half, dtype="float32")
    assert (usual.dtype, usual.name, masters.name) == ("bf16", "half", "half-float32")
    np.testing.assert_array_equal(answer(usual), answer(masters))
    assert device_bytes(usual.params) < 0.55 * device_bytes(masters.params)
    assert usual.params.decoder.blocks.gate.dtype == jnp.bfloat16
    assert usual.params.action_head.up.dtype == jnp.float32  # read in float32
    assert usual.params.decoder.norm.dtype == jnp.float32


def test_a_run_of_float32_is_held_in_float32_unless_asked(trained: Path) -> None:
    usual, rounded = Policy.load(trained), Policy.load(trained, dtype="bf16")
    assert (usual.dtype, usual.name) == ("float32", "run")
    assert (rounded.dtype, rounded.name) == ("bf16", "run-bf16")
    exact, rough = answer(usual), answer(rounded)
    assert 0 < np.linalg.norm(rough - exact) < 0.02 * np.linalg.norm(exact)


def test_8_bits_are_those_of_the_masters_and_the_rest_is_as_usual(half: Path) -> None:
    small, masters = Policy.load(half, dtype="int8"), Policy.load(half, dtype="float32")
    assert (small.dtype, small.name) == ("int8", "half-int8")
    query = small.params.decoder.blocks.query
    assert isinstance(query, int8.Quantised)
    np.testing.assert_array_equal(query.values, int8.quantised(masters.params.decoder.blocks.query).values)
    assert small.params.decoder.embedding.dtype == jnp.bfloat16
    assert small.params.decoder.norm.dtype == jnp.float32


@pytest.mark.parametrize("dtype", ["fp16", "bfloat16", 8, ""])
def test_an_unknown_dtype(trained: Path, dtype: str) -> None:
    with pytest.raises(ConfigError, match="choose from float32, bf16, int8"):
        Policy.load(trained, dtype=dtype)  # type: ignore[arg-type]


def test_an_exported_directory_is_loaded_as_it_is(trained: Path, tmp_path: Path) -> None:
    export_run(trained, tmp_path / "model")
    loaded, expected = (Policy.load(path, dtype="bf16") for path in (tmp_path / "model", trained))
    for ours, theirs in zip(jax.tree.leaves(loaded.params), jax.tree.leaves(expected.params), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert loaded.transform.chunk(np.zeros((2, 4)), np.zeros(4)).actions.shape == (2, 3)


def test_another_model_of_the_hub_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(ConfigError, match="model_type is 'llama', not 'polymath_v'; name a run directory, or one that"):
        Policy.load(tmp_path)


def test_the_reference_model_loads_on_8_devices_of_80_gb() -> None:
    """30B: the decoder's 28e9 weights divided by 8 and vision's 1.8e9 on each, by abstract evaluation.

    While it loads, one float32 array is held beside what is converted: at most 44 layers x 20,480 x 7,168 x 4 / 8.
    """
    model, partitioner = POLYMATH_V_30B.model, abstract_partitioner(meshes.Config(model=8, rules="decode"))
    held = {
        dtype: device_bytes(abstract(model, dtype, POLYMATH_V_30B.execution, partitioner))
        for dtype in ("float32", "bf16", "int8")
    }
    parameters = weights.count(polymath_v.specs(model))
    whole = weights.count((polymath_v.specs(model).vit, polymath_v.specs(model).resampler))
    least = (parameters - whole) / 8 + whole
    assert 4 * least <= held["float32"] < 1.02 * 4 * least
    assert 2 * least <= held["bf16"] < 1.03 * 2 * least
    assert least < held["int8"] < 1.2 * least
    assert largest_shard(model, partitioner) == 44 * 20_480 * 7_168 * 4 // 8
    assert {dtype: round(each / GB, 1) for dtype, each in held.items()} == {"float32": 22.1, "bf16": 11.1, "int8": 5.8}
    for each in held.values():
        assert each + 2 * largest_shard(model, partitioner) < 80 * GB


def test_all_weights_on_one_device_are_too_many_for_80_gb_in_float32_alone() -> None:
    partitioner = abstract_partitioner(meshes.Config(rules="decode"))
    held = device_bytes(abstract(POLYMATH_V_30B.model, "float32", Execution(), partitioner))
    assert held == 4 * weights.count(polymath_v.specs(POLYMATH_V_30B.model))
    assert held > 80 * GB


def test_8_devices_give_the_answers_of_one(run: Run, tmp_path: Path) -> None:
    """Rounding aside: a product that is divided over devices is summed in another order."""
    model = replace(RECIPE.model, decoder=EIGHT)
    recipe = replace(ALONE, model=model)
    drawn = weights.init(polymath_v.specs(model), jax.random.key(0))
    rng = np.random.default_rng(1)
    moved = jax.tree.map(lambda w: w + 0.05 * rng.normal(size=w.shape).astype(np.float32), drawn)
    path = stored(tmp_path / "run", run, recipe, moved)
    environment = os.environ | {
        "XLA_FLAGS": f"--xla_force_host_platform_device_count=8 {QUICK}",
        "JAX_PLATFORMS": "cpu",
    }
    ran = subprocess.run(
        [sys.executable, "-m", "tests.policy.mesh_program", str(path)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    result = json.loads(ran.stdout.splitlines()[-1])
    assert result["devices"] == 8
    assert result["difference"] < 2e-5
    assert result["query_devices"] == 8
    alone, divided = result["bytes"]
    assert divided < 0.5 * alone


@pytest.mark.parametrize(
    ("mesh", "message"),
    [
        (meshes.Config(data=2), r"mesh \[1, 2, 1\]: a policy is divided over mesh.model alone"),
        (meshes.Config(model=3), r"mesh: .* needs 3 devices, but there are"),
    ],
)
def test_meshes_that_cannot_be(trained: Path, mesh: meshes.Config, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Policy.load(trained, mesh=mesh)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": None}, "path None: name the directory"),
        ({"dtype": ["int8"]}, "dtype .*choose from float32"),
        ({"mesh": 8}, r"mesh 8: give a polymath.sharding.mesh.Config"),
        ({"mesh": (1, 1, 2)}, r"mesh \(1, 1, 2\): give"),
        ({"decoding": "tokens"}, "decoding 'tokens': give a Decoding"),
    ],
)
def test_what_is_no_choice_is_named(trained: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Policy.load(**({"path": trained} | options))
