"""The client under other Pythons: its source is Python 3.8 and needs numpy, websockets and msgpack alone."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "packages" / "polymath-client" / "src"
FILES = sorted((SOURCE / "polymath_client").glob("*.py"))
ALLOWED = {"numpy", "websockets", "msgpack", "polymath_client"} | sys.stdlib_module_names
NEW_GENERICS = {"list", "dict", "tuple", "set", "type"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_source_is_python_3_8(file: Path) -> None:
    tree = ast.parse(file.read_text(), feature_version=(3, 8))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = [alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names]
    modules += [str(node.module) for node in imports if isinstance(node, ast.ImportFrom)]
    assert {module.split(".")[0] for module in modules} <= ALLOWED
    # Annotations are evaluated: `list[int]` and `int | None` are newer than 3.8, and the parser takes both.
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript):
            name = getattr(node.value, "id", getattr(node.value, "attr", ""))
            assert name not in NEW_GENERICS, f"line {node.lineno}"
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            assert not (isinstance(node.right, ast.Constant) and node.right.value is None), f"line {node.lineno}"


def interpreters() -> list[str]:
    """Those of POLYMATH_CLIENT_PYTHONS (`make client-pythons`), else our own."""
    return os.environ.get("POLYMATH_CLIENT_PYTHONS", sys.executable).split()


@pytest.mark.parametrize("python", interpreters())
def test_a_robot_moves_without_the_rest_of_the_project(python: str) -> None:
    """A control loop against a server in the same program: a contract, real-time chunking, a watchdog."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [python, str(Path(__file__).with_name("whole_loop.py")), str(SOURCE)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=120)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["moved", "24"]
