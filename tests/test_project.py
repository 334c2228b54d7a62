"""The project's own files: dependencies that are used, a lock file that names no host."""

import ast
import importlib.metadata
import re
import sys
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
EXTRAS = ("sim", "compare", "data", "look", "int8")
SOURCES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "packages").rglob("src/**/*.py")])


def imported() -> set[str]:
    """Names of the distributions whose modules the package imports."""
    modules = set()
    for source in SOURCES:
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
    wanted = [r for r in requirements if r.marker is None or any(r.marker.evaluate({"extra": e}) for e in extras)]
    return {plain(r.name) for r in wanted}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_import_is_declared_and_every_dependency_is_imported() -> None:
    assert imported() == declared(*EXTRAS)


def test_the_lock_names_no_host_and_pins_with_hashes() -> None:
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    assert "index-url" not in text
    pins = re.findall(r"^([\w.-]+)==", text, flags=re.M)
    assert {plain(name) for name in pins} >= declared(*EXTRAS, "dev")
    entries = re.split(r"\n(?=\w)", text[text.index("\n", text.index("#    make lock")) + 1 :])
    assert all("--hash=sha256:" in entry for entry in entries)
