"""The project's own files: dependencies that are used, a lock file that names no host, the measures of the house, and
a wheel that holds all of it.
"""

import ast
import importlib.metadata
import re
import statistics
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
EXTRAS = ("sim", "compare", "data", "look", "int8", "serve")
SOURCE_ROOTS = (ROOT / "src", ROOT / "packages/polymath-worker/src")
SOURCES = sorted(path for root in SOURCE_ROOTS for path in root.rglob("*.py"))
PRINTING = ("cli.py", "commands/", "benchmarks/")  # of polymath: the command line
LONG = 12  # lines; a public function of more has a docstring


IMPORTED_BY_JAX = {"flatbuffers"}
"""jax.export needs it to write a program, and does not require it."""


def imported() -> set[str]:
    """Distributions whose modules the package imports; a simulator's side has an environment of its own."""
    modules = set()
    for source in SOURCES:
        if "simulator" in source.parts:
            continue
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules.add(node.module.split(".")[0])
    distributions = importlib.metadata.packages_distributions()
    foreign = modules - set(sys.stdlib_module_names) - {"polymath", "polymath_worker"}
    return {plain(distributions[module][0]) for module in foreign}


def declared(*extras: str) -> set[str]:
    requirements = [Requirement(line) for line in importlib.metadata.requires("polymath-v") or []]
    chosen = [r for r in requirements if r.marker is None or any(r.marker.evaluate({"extra": e}) for e in extras)]
    return {plain(r.name) for r in chosen}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_import_is_declared_and_every_dependency_is_imported() -> None:
    assert imported() | IMPORTED_BY_JAX == declared(*EXTRAS)


def test_the_lock_names_no_host_and_pins_with_hashes() -> None:
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    assert "index-url" not in text
    pins = re.findall(r"^([\w.-]+)==", text, flags=re.M)
    assert {plain(name) for name in pins} >= declared(*EXTRAS, "dev")
    entries = re.split(r"\n(?=\w)", text[text.index("\n", text.index("#    make lock")) + 1 :])
    assert all("--hash=sha256:" in entry for entry in entries)


def test_no_file_is_over_300_lines_and_half_of_them_are_within_150() -> None:
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in SOURCES}
    assert {name: count for name, count in lines.items() if count > 300} == {}
    assert statistics.median(lines.values()) <= 150


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: str(source.relative_to(ROOT)))
def test_long_public_functions_are_documented_and_only_the_command_line_prints(source: Path) -> None:
    tree = ast.parse(source.read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
    long = [node for node in functions if (node.end_lineno or 0) - node.lineno >= LONG]
    assert [node.name for node in long if not ast.get_docstring(node)] == []
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    prints = [call.lineno for call in calls if isinstance(call, ast.Name) and call.id == "print"]
    if not str(source).removeprefix(f"{ROOT}/src/polymath/").startswith(PRINTING):
        assert prints == []


def test_the_wheel_holds_every_file_of_the_sources(tmp_path: Path) -> None:
    """Both packages, with their templates, style sheets, texts and type markers."""
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path))
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    paths = [(path, root) for root in SOURCE_ROOTS for path in root.rglob("*") if path.is_file()]
    sources = {str(path.relative_to(root)) for path, root in paths if "__pycache__" not in path.parts}
    assert packed == sources
    assert {"polymath/py.typed", "polymath_worker/py.typed", "polymath/planning/plan.html.j2"} <= packed
