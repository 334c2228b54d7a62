"""Recipes of a user's own module, and presets of other packages: what is taken and what is refused, in one line."""

import sys
from pathlib import Path

import pytest

from polymath.errors import ConfigError
from polymath.presets import PRESETS, every_preset, preset

MODULE = """
from dataclasses import replace
from polymath.presets.demo import TINY
SMALL = replace(TINY, name="small", seed=7)
class Sizes:
    LARGE = replace(SMALL, name="large")
number = 7
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in sys.modules if name.startswith("own_")]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path


def test_a_recipe_of_the_working_directory(place: Path) -> None:
    (place / "own_recipes.py").write_text(MODULE)
    path = list(sys.path)
    assert preset("own_recipes:SMALL").seed == 7
    assert preset("own_recipes:Sizes.LARGE").name == "large"
    assert sys.path == path
    sys.modules.pop("own_recipes")


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        (MODULE, "own_gone:SMALL", "no module 'own_gone' in "),
        (MODULE, "own_recipes.deeper:SMALL", "no module 'own_recipes.deeper'"),
        (MODULE, "own_recipes:SMAL", "own_recipes has no 'SMAL'; did you mean SMALL"),
        (MODULE, "own_recipes:number", "a int, not a polymath.Recipe"),
        (MODULE, "own_recipes:", "write it as package.module:RECIPE"),
        (MODULE, "own-recipes.py:SMALL", "write it as package.module:RECIPE"),
        ("SMALL = (", "own_recipes:SMALL", "own_recipes.py, line 1: '(' was never closed"),
        ("import own_nowhere", "own_recipes:SMALL", "own_recipes needs own_nowhere, which is not installed"),
        ("1 / 0", "own_recipes:SMALL", "cannot be imported (ZeroDivisionError: division by zero)"),
        ("raise SystemExit(3)", "own_recipes:SMALL", "cannot be imported (SystemExit: 3)"),
        ("SMALL = None", "own_recipes:OTHER", "it holds no Recipe"),
    ],
)
def test_what_is_no_recipe_is_one_line(place: Path, text: str, name: str, message: str) -> None:
    (place / "own_recipes.py").write_text(text)
    with pytest.raises(ConfigError) as caught:
        preset(name)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def install(place: Path, distribution: str, entry: str) -> None:
    info = place / f"{distribution}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[polymath.presets]\n{entry}\n")


def test_presets_of_other_packages(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that works, one that fails at import, one that two packages offer, one with the name of a built-in."""
    monkeypatch.syspath_prepend(str(place))
    (place / "own_plugin.py").write_text(MODULE)
    install(place, "works", "own_small = own_plugin:SMALL\nown_twice = own_plugin:SMALL")
    install(
        place, "breaks", "own_broken = own_missing:SMALL\nown_twice = own_plugin:Sizes.LARGE\ntiny = own_plugin:SMALL"
    )
    assert preset("own_small").name == "small"
    with pytest.raises(ConfigError, match=r"breaks 1\.0: entry point own_broken .* cannot be loaded"):
        preset("own_broken")
    with pytest.raises(ConfigError, match=r"'own_twice' is offered by breaks .* and works"):
        preset("own_twice")
    with pytest.raises(ConfigError, match="has the name of a built-in"):
        preset("tiny")
    assert set(every_preset()) == {*PRESETS, "own_small"}
