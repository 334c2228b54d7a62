"""The simulator's side under other Pythons: its source is Python 3.8, and real workers of other interpreters answer.

Interpreters are those named in POLYMATH_WORKER_PYTHONS (`make worker-pythons` makes environments for three and names
them), else what is on the search path and has numpy and msgpack.
"""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from polymath.evaluation.baselines import RandomPolicy
from polymath.evaluation.rollout import EpisodeKey, run_episodes
from polymath.workers.pool import WorkerCommand, WorkerPool

SOURCE = Path(__file__).parents[2] / "packages" / "polymath-worker" / "src"
FILES = sorted((SOURCE / "polymath_worker").glob("*.py"))
ALLOWED = {"numpy", "msgpack", "polymath_worker"}
OPTIONAL = {"rays.py": {"mujoco"}}  # for simulators on MuJoCo; no other file of the package imports these


def interpreters() -> list[str]:
    named = os.environ.get("POLYMATH_WORKER_PYTHONS")
    if named is not None:
        return named.split()
    on_path = (shutil.which(f"python3.{minor}") for minor in range(8, 14))
    return [python for python in on_path if python is not None and _has_numpy(python)]


def _has_numpy(python: str) -> bool:
    program = "import sys, numpy, msgpack; sys.exit(sys.version_info < (3, 8))"
    return subprocess.run([python, "-c", program], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_source_is_python_3_8_and_needs_numpy_and_msgpack_alone(file: Path) -> None:
    tree = ast.parse(file.read_text(), feature_version=(3, 8))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = [alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names]
    modules += [str(node.module) for node in imports if isinstance(node, ast.ImportFrom)]
    allowed = ALLOWED | OPTIONAL.get(file.name, set()) | sys.stdlib_module_names
    assert {module.split(".")[0] for module in modules} <= allowed
    assert not {f"polymath_worker.{name.removesuffix('.py')}" for name in OPTIONAL} & set(modules)
    # Annotations are evaluated: `list[int]` and `int | None` are newer than 3.8, and the parser takes both.
    annotations = [node for node in ast.walk(tree) if isinstance(node, ast.Subscript | ast.BinOp)]
    for node in annotations:
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            assert node.value.id not in {"list", "dict", "tuple", "set", "type"}, f"line {node.lineno}"
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            assert not isinstance(node.right, ast.Constant) or node.right.value is not None, f"line {node.lineno}"


@pytest.mark.parametrize("python", interpreters() or [sys.executable])
def test_a_worker_of_another_python_runs_the_very_same_episodes(python: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit what a worker of our own Python gives, pictures included."""
    place = f"{Path(__file__).parent}{os.pathsep}{SOURCE}"
    installed = "POLYMATH_WORKER_PYTHONS" in os.environ
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent) if installed else place)
    theirs, ours = (_episodes(WorkerCommand("point_worker", ("2", ""), each)) for each in (python, sys.executable))
    assert theirs == ours


def _episodes(command: WorkerCommand) -> dict[EpisodeKey, tuple[bool, int, bytes]]:
    outcomes = {}

    def keep(result, frames: np.ndarray) -> None:
        outcomes[result.key] = (result.success, result.steps, frames.tobytes())

    keys = [EpisodeKey("a", "seen", seed) for seed in range(4)]
    with WorkerPool(command, 1) as pool:
        run_episodes(RandomPolicy(2, 4), pool, keys, 2, keep, record=lambda key: key.seed == 0)
    return outcomes
