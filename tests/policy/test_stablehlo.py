"""The forward pass as a program: called in a process without this package, it answers what the policy does."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from polymath.cli import main
from polymath.data.sequences.packing import collate
from polymath.errors import ConfigError
from polymath.model import polymath_v
from polymath.policy.stablehlo import BATCH, prompt_layout
from polymath.policy.weights import load
from polymath.training.run import Run, open_run
from polymath.types import Batch

from .conftest import observation
from .stored_runs import stored

ALONE = """
import sys
from pathlib import Path
import jax.export
import numpy as np
from safetensors.numpy import load_file
place = Path(sys.argv[1])
program = jax.export.deserialize((place / "forward.jax").read_bytes())
files = map(load_file, (place / "policy").glob("model-*.safetensors"))
weights = {name: array for tensors in files for name, array in tensors.items()}
for name in sys.argv[2:]:
    batch = load_file(place / name)
    actions = batch.pop("actions")
    np.testing.assert_allclose(program.call(weights, batch), actions, rtol=1e-5, atol=1e-6)
assert "polymath" not in sys.modules
print(program.platforms)
"""


@pytest.fixture(scope="module")
def trained(run: Run, params: polymath_v.Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    layout = replace(run.recipe.layout, window=1)
    recipe = replace(run.recipe, layout=layout, execution=replace(run.recipe.execution, unroll=1))
    return stored(tmp_path_factory.mktemp("runs") / "run", run, recipe, params)


def test_a_fresh_process_gives_the_policys_answers(
    trained: Path, params: polymath_v.Params, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the example that lies beside the program, and of another observation that this package answers."""
    out = tmp_path / "program"
    assert main(["export", str(trained), "--format", "stablehlo", "--out", str(out)]) == 0
    run = open_run(trained)
    layout = prompt_layout(run)
    batch = collate([[run.transform.prompt([observation(3)])]], layout)
    actions = jax.jit(lambda p, b: polymath_v.forward(p, run.recipe.model, b, run.recipe.execution).actions[:, -1])(
        params, Batch(*map(np.asarray, batch))
    )
    other = {name: np.ascontiguousarray(getattr(batch, name)) for name in BATCH}
    save_file({**other, "actions": np.asarray(actions)}, out / "other.safetensors")
    words = [sys.executable, "-c", ALONE, str(out), "example.safetensors", "other.safetensors"]
    finished = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert "'cuda'" in finished.stdout
    assert not np.array_equal(load_file(out / "example.safetensors")["actions"], actions)

    described = json.loads((out / "forward.json").read_text())
    names = [argument["name"] for argument in described["arguments"]]
    assert {f"batch/{name}" for name in BATCH} < set(names)
    assert "weights/decoder.blocks.query" in names
    assert described["result"]["shape"] == [1, layout.chunk_length, layout.action_dim]
    assert (out / "forward.mlir.bc").read_bytes()[:4] == b"ML\xefR"  # MLIR's bytecode
    assert main(["import", str(out / "policy"), "--out", str(tmp_path / "again")]) == 0

    capsys.readouterr()
    for verb in (
        ["import", str(out), "--out", str(tmp_path / "no")],
        ["export", str(out), "--out", str(tmp_path / "no")],
    ):
        assert main(verb) == 2
        assert f"holds a program (--format stablehlo); name the policy beside it, {out}" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="holds a program"):
        load(out)
    again = ["export", str(out / "policy"), "--format", "stablehlo", "--out", str(tmp_path / "no")]
    assert main(again) == 2
    assert "bring it back first: polymath import" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--format", "onnx"), "no converter from jax's programs to ONNX has been checked"),
        (("--format", "stablehlo", "--adapters", "alone"), "the program needs all weights"),
    ],
)
def test_what_is_refused(
    options: tuple[str, ...], message: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(trained), "--out", str(tmp_path / "out"), *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_run_with_a_history_is_refused(
    run: Run, params: polymath_v.Params, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = stored(tmp_path / "run", run, run.recipe, params)
    assert main(["export", str(path), "--format", "stablehlo", "--out", str(tmp_path / "out")]) == 2
    assert "looks at 4 observations (layout.window)" in capsys.readouterr().err
