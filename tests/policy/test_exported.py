"""Export and back: the same bits, files that other libraries read, and what a directory that does not fit is told."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from safetensors import safe_open
from tokenizers import Tokenizer as HFTokenizer

from polymath.data.sequences.packing import collate
from polymath.errors import CheckpointError, ConfigError, PolymathError
from polymath.model import decoder, lora, polymath_v
from polymath.model.execution import Execution
from polymath.policy import Policy
from polymath.policy.exported import export_run, import_run, read
from polymath.policy.hub import fetch
from polymath.specs import name_of, named
from polymath.training.adapters import with_adapters
from polymath.training.checkpoints import Checkpoints
from polymath.training.run import Run, open_run

from .conftest import RECIPE, observation
from .local_hub import local_hub
from .stored_runs import stored


@pytest.fixture(scope="module")
def trained(run: Run, params: polymath_v.Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored(tmp_path_factory.mktemp("runs") / "run", run, run.recipe, params)


@pytest.fixture(scope="module")
def adapted(run: Run, params: polymath_v.Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same weights below adapters that have moved."""
    recipe = with_adapters(run.recipe, lora.Config(r"decoder\.blocks\.(query|down)", rank=2))
    fresh = lora.attach(params, polymath_v.specs(recipe.model), jax.random.key(1))
    moved = jax.tree_util.tree_map_with_path(lambda path, w: w + 0.1 if name_of(path).endswith("lora_up") else w, fresh)
    return stored(tmp_path_factory.mktemp("runs") / "adapted", run, recipe, moved)


@pytest.fixture(scope="module")
def exported(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exported") / "model"
    export_run(trained, out, shard_bytes=1_000_000)
    return out


def test_back_again_answers_bit_for_bit(trained: Path, exported: Path, tmp_path: Path) -> None:
    import_run(exported, tmp_path / "again")
    first, second = Policy.load(trained), Policy.load(tmp_path / "again")
    for (name, a), (_, b) in zip(named(first.params), named(second.params), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b), err_msg=name)
    seen = [observation(0), observation(1)]
    for a, b in zip(first.act(seen), second.act(seen), strict=True):
        np.testing.assert_array_equal(a.actions, b.actions)
    batch = collate([[first.run.transform.prompt(seen[:1])]], first.run.recipe.layout)
    logits = jax.jit(
        lambda p: decoder.logits(
            p.decoder, RECIPE.model.decoder, polymath_v.forward(p, RECIPE.model, batch, Execution()).hidden
        )
    )
    np.testing.assert_array_equal(logits(first.params), logits(second.params))
    with Checkpoints(tmp_path / "again" / "checkpoints" / "robot", every=1) as checkpoints:
        assert checkpoints.latest() == 3


def weights_of(run: Path) -> dict[str, np.ndarray]:
    return {name: np.asarray(weight) for name, weight in named(Policy.load(run).params)}


def test_adapters_alone_are_small_and_come_back_onto_their_base(trained: Path, adapted: Path, tmp_path: Path) -> None:
    """The base may be a run or an exported directory; the weights are the adapted run's, bit for bit."""
    export_run(adapted, tmp_path / "alone", "alone")
    export_run(trained, tmp_path / "base")
    names = set(json.loads((tmp_path / "alone" / "model.safetensors.index.json").read_text())["weight_map"])
    assert names == {f"decoder.blocks.{w}.lora_{d}" for w in ("query", "down") for d in ("up", "down")}
    assert "--base BASE" in (tmp_path / "alone" / "README.md").read_text()
    expected = weights_of(adapted)
    for number, base in enumerate((trained, tmp_path / "base")):
        import_run(tmp_path / "alone", tmp_path / f"run{number}", base)
        weights = weights_of(tmp_path / f"run{number}")
        assert all(np.array_equal(weights[name], expected[name]) for name in expected)
    with pytest.raises(ConfigError, match="holds adapters alone; name the run"):
        import_run(tmp_path / "alone", tmp_path / "nowhere")


def test_merged_adapters_leave_a_plain_model_with_the_same_answers(adapted: Path, tmp_path: Path) -> None:
    export_run(adapted, tmp_path / "merged", "merged")
    run = import_run(tmp_path / "merged", tmp_path / "run")
    assert run.recipe.model.adapters is None
    separate, plain = (Policy.load(path).act([observation(0)])[0].actions for path in (adapted, tmp_path / "run"))
    np.testing.assert_allclose(separate, plain, atol=1e-4)


def test_a_run_without_adapters_has_none_to_export(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no adapters; export it without --adapters merged"):
        export_run(trained, tmp_path / "merged", "merged")
    assert list(tmp_path.iterdir()) == []


def test_other_libraries_read_it(trained: Path, exported: Path) -> None:
    index = json.loads((exported / "model.safetensors.index.json").read_text())
    assert len(set(index["weight_map"].values())) > 1
    weights = dict(named(Policy.load(trained).params))
    assert index["metadata"]["total_size"] == sum(w.nbytes for w in weights.values())
    for name, file in index["weight_map"].items():
        with safe_open(exported / file, "numpy") as shard:
            np.testing.assert_array_equal(shard.get_tensor(name), weights.pop(name))
    assert weights == {}
    text = "press the red button"
    ids = HFTokenizer.from_file(str(exported / "tokenizer.json")).encode(text).ids
    assert ids == open_run(trained).tokenizer.encode(text)
    assert json.loads((exported / "config.json").read_text())["model_type"] == "polymath_v"


def test_the_card_holds_what_was_measured_and_no_paths(trained: Path, exported: Path) -> None:
    card = (exported / "README.md").read_text()
    assert "| cross_entropy | 1.25 |" in card
    assert "Not evaluated." in card
    assert f"{sum(w.size for w in jax.tree.leaves(Policy.load(trained).params)):,}" in card
    assert str(trained.parent) not in card


def test_a_directory_that_does_not_fit(exported: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(exported, broken)
    settings = json.loads((broken / "config.json").read_text())
    settings["recipe"]["model"]["decoder"]["mlp"] = 128
    (broken / "config.json").write_text(json.dumps(settings))
    with pytest.raises(CheckpointError, match=r"blocks.down \[3, 256, 96\] cannot become decoder.blocks.down \[128"):
        read(broken)
    (broken / "config.json").write_text(json.dumps({**settings, "model_type": "llama"}))
    with pytest.raises(ConfigError, match="model_type is 'llama'"):
        import_run(broken, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def polymath(*words: str, hub: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub,
        "HF_HOME": str(home),
        "HF_TOKEN": "hf_none",
        "JAX_PLATFORMS": "cpu",
    }
    command = [sys.executable, "-m", "polymath.cli", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("format", ["hf", "lerobot"])
def test_by_way_of_a_hub(trained: Path, tmp_path: Path, format: str) -> None:
    """`--push` to a small Hub on this machine, and `polymath import ORG/NAME` from it."""
    with local_hub() as (address, files):
        pushed = polymath(
            "export",
            str(trained),
            "--format",
            format,
            "--out",
            str(tmp_path / "x"),
            "--push",
            "test/model",
            hub=address,
            home=tmp_path / "a",
        )
        assert pushed.returncode == 0, pushed.stderr
        assert set(files) >= {path.name for path in (tmp_path / "x").iterdir()}
        imported = polymath("import", "test/model", "--out", str(tmp_path / "y"), hub=address, home=tmp_path / "b")
        assert imported.returncode == 0, imported.stderr
        missing = polymath("import", "test/nothing", "--out", str(tmp_path / "z"), hub=address, home=tmp_path / "b")
    assert missing.returncode == 2
    assert "test/nothing: cannot be fetched from the Hub" in missing.stderr
    assert not (tmp_path / "z").exists()
    first, second = Policy.load(trained).params, Policy.load(tmp_path / "y").params
    for (name, a), (_, b) in zip(named(first), named(second), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b), err_msg=name)


def test_fetch_takes_a_folder_as_it_is(exported: Path) -> None:
    assert fetch(str(exported)) == exported
    with pytest.raises(PolymathError, match="no such directory"):
        fetch("nothing here")


@pytest.fixture(scope="module")
def adapted_with_head(run: Run, params: polymath_v.Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Adapters and the action head have moved, as the groups that docs/model.md teaches let them."""
    recipe = with_adapters(run.recipe, lora.Config(r"decoder\.blocks\.(query|down)", rank=2))
    groups = ((r".*lora_(down|up)|action_head.*", 1.0), (r"(?!.*lora_|action_head).*", 0.0))
    recipe = replace(recipe, robot=replace(recipe.robot, optimizer=replace(recipe.robot.optimizer, groups=groups)))
    fresh = lora.attach(params, polymath_v.specs(recipe.model), jax.random.key(1))
    learns = ("lora_up", "action_head.out", "action_head.up")
    moved = jax.tree_util.tree_map_with_path(lambda path, w: w + 0.1 if name_of(path).endswith(learns) else w, fresh)
    return stored(tmp_path_factory.mktemp("runs") / "adapted_with_head", run, recipe, moved)


def test_what_was_trained_beside_the_adapters_comes_along(
    trained: Path, adapted_with_head: Path, tmp_path: Path
) -> None:
    export_run(adapted_with_head, tmp_path / "alone", "alone")
    names = set(json.loads((tmp_path / "alone" / "model.safetensors.index.json").read_text())["weight_map"])
    assert {"action_head.out", "action_head.up", "decoder.blocks.query.lora_up"} <= names
    assert not any(name.endswith(".base") for name in names)
    import_run(tmp_path / "alone", tmp_path / "run", trained)
    expected, again = weights_of(adapted_with_head), weights_of(tmp_path / "run")
    assert all(np.array_equal(again[name], expected[name]) for name in expected)


def test_another_base_of_the_same_sizes_is_refused(
    run: Run, params: polymath_v.Params, adapted_with_head: Path, tmp_path: Path
) -> None:
    export_run(adapted_with_head, tmp_path / "alone", "alone")
    other = jax.tree_util.tree_map_with_path(lambda path, w: w + (name_of(path) == "vit.patch"), params)
    base = stored(tmp_path / "base", run, run.recipe, other)
    with pytest.raises(CheckpointError, match=r"is another base .* SHA-256 [0-9a-f]{16}…, .* theirs [0-9a-f]{16}…"):
        import_run(tmp_path / "alone", tmp_path / "run", base)
    assert not (tmp_path / "run").exists()


def test_adapters_exported_by_an_older_version(adapted: Path, trained: Path, tmp_path: Path) -> None:
    """They lack what was trained beside them, and do not say which base is theirs."""
    export_run(adapted, tmp_path / "alone", "alone")
    settings = json.loads((tmp_path / "alone" / "config.json").read_text())
    older = {key: value for key, value in settings.items() if key not in ("trained", "base", "untrained")}
    (tmp_path / "alone" / "config.json").write_text(json.dumps({**older, "holds": "adapters"}))
    with pytest.raises(ConfigError, match="was exported by an older version"):
        import_run(tmp_path / "alone", tmp_path / "run", trained)
