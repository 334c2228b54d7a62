"""Entry points of distributions that each test writes: a dist-info directory and modules on a path of its own."""

import logging
import sys
from pathlib import Path

import pytest

from polymath import plugins
from polymath.errors import ConfigError

GROUP = "polymath.tests"


def install(place: Path, distribution: str, entry_points: str, **modules: str) -> None:
    """What an installer leaves behind, as the packaging specification of entry points has it."""
    info = place / f"{distribution}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{entry_points}\n")
    for name, source in modules.items():
        (place / f"{name}.py").write_text(source)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_an_entry_point_is_loaded_by_its_name(place: Path) -> None:
    install(place, "one", "a = plugin_good:VALUE", plugin_good="VALUE = 7")
    assert list(plugins.entries(GROUP)) == ["a"]
    assert plugins.load(GROUP, "a", int) == 7
    assert plugins.find(GROUP, "b", int, {"b": 1}) == 1
    assert plugins.find(GROUP, "c", int, {"b": 1}) is None


@pytest.mark.parametrize(
    ("entry", "source", "message"),
    [
        ("a = plugin_bad:GONE", "VALUE = 7", "one 1.0: entry point a = plugin_bad:GONE of polymath.tests cannot be lo"),
        ("a = plugin_bad:VALUE", "import nowhere_at_all", "No module named 'nowhere_at_all'"),
        ("a = plugin_bad:VALUE", "VALUE = (", "SyntaxError"),
        ("a = plugin_bad:VALUE", "1 / 0", "ZeroDivisionError"),
        ("a = plugin_bad:VALUE", "raise SystemExit(3)", "cannot be loaded (SystemExit: 3)"),
        ("a = plugin_bad:VALUE", "VALUE = 'seven'", "is a str, but polymath.tests takes a int; repair it"),
    ],
)
def test_a_broken_one_is_named_and_leaves_the_others(
    place: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    entry: str,
    source: str,
    message: str,
) -> None:
    monkeypatch.delitem(sys.modules, "plugin_bad", raising=False)
    install(place, "one", entry, plugin_bad=source)
    install(place, "two", "b = plugin_good:VALUE", plugin_good="VALUE = 7")
    with pytest.raises(ConfigError) as caught:
        plugins.load(GROUP, "a", int)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    with caplog.at_level(logging.WARNING):
        assert plugins.every(GROUP, int, {"c": 1}) == {"c": 1, "b": 7}
    assert "left out: one 1.0: entry point a" in caplog.text


def test_a_name_that_is_taken(place: Path) -> None:
    install(place, "one", "a = plugin_good:VALUE", plugin_good="VALUE = 7")
    install(place, "two", "a = plugin_good:OTHER")
    with pytest.raises(ConfigError, match=r"'a' is offered by one 1\.0: .* and two 1\.0: .*; uninstall one"):
        plugins.load(GROUP, "a", int)
    with pytest.raises(ConfigError, match=r"one 1\.0: entry point a .* has the name of a built-in"):
        plugins.find(GROUP, "a", int, {"a": 1})
    assert plugins.every(GROUP, int, {"a": 1}) == {"a": 1}


def test_an_unknown_name_lists_what_there_is(place: Path) -> None:
    install(place, "one", "a = plugin_good:VALUE")
    with pytest.raises(ConfigError, match=r"no entry point 'b'; installed are a"):
        plugins.load(GROUP, "b", int)


def test_what_a_plug_ins_function_raises_is_one_line(place: Path) -> None:
    install(place, "one", "a = plugin_good:VALUE", plugin_good="VALUE = 7")

    def fails(_: int) -> None:
        raise RuntimeError("no device\nfor you")

    with pytest.raises(ConfigError, match=r"^one 1\.0: entry point a = .* failed \(RuntimeError: no device for you\);"):
        plugins.called(GROUP, "a", fails, 3)
    assert plugins.called(GROUP, "a", max, 3, 4) == 4
