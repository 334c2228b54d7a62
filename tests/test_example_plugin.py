"""The example package as it is in the repository, its entry points where an installer puts them."""

import json
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from polymath.data.files.images import encode_jpeg
from polymath.data.files.quarantine import Quarantine
from polymath.data.formats.opening import Format, Location, open_source, parse
from polymath.data.formats.rlds.field_maps import field_map_named
from polymath.data.interface import episode_name
from polymath.data.robots.embodiments import robot_named
from polymath.errors import ConfigError, DataError

PACKAGE = Path(__file__).parents[1] / "examples" / "polymath_example_plugin"


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    info = tmp_path / "site" / "polymath_example_plugin-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.syspath_prepend(str(PACKAGE / "src"))


@pytest.fixture
def episodes(tmp_path: Path) -> Path:
    """Three episodes of 4 steps; the picture of step t of episode e has the level 50 e + 10 t."""
    for e, name in enumerate(("lift", "push_left", "push_right")):
        folder = tmp_path / "episodes" / name
        (folder / "front").mkdir(parents=True)
        (folder / "instruction.txt").write_text(f"do {name}\n")
        rows = [f"{t},1,{e}.5,-1" for t in range(4)]
        (folder / "steps.csv").write_text("\n".join(["x,gripper,dx,gripper_command", *rows]) + "\n")
        for t in range(4):
            picture = np.full((16, 16, 3), 50 * e + 10 * t, np.uint8)
            (folder / "front" / f"{t}.jpg").write_bytes(encode_jpeg(picture))
    return tmp_path / "episodes"


def test_its_format_is_opened_by_name_and_by_its_files(plugin: None, episodes: Path) -> None:
    for name in (episodes, f"csv:{episodes}"):
        source = open_source(name)
        assert [episode_name(source, i) for i in range(len(source))] == ["lift", "push_left", "push_right"]
        assert source.embodiment.name == "cart"
        np.testing.assert_array_equal(source.actions(1), [[1.5, -1]] * 4)
        assert abs(int(source.frames(2, [3])[0, 0, 0, 0, 0]) - 130) <= 1


def test_the_options_of_every_format_hold_for_it(plugin: None, episodes: Path) -> None:
    source = open_source(f"csv:{episodes}?episodes=push_*&slot=21", image_size=8)
    assert [source.instruction(i) for i in range(len(source))] == ["do push_left", "do push_right"]
    assert source.embodiment.slot == 21
    assert source.frames(0, [0, 1]).shape == (2, 1, 8, 8, 3)
    with pytest.raises(ConfigError, match="has no camera 'wrist'; there are front"):
        open_source(f"csv:{episodes}?cameras=wrist")


def test_pictures_are_padded_by_a_format_that_can(plugin: None, episodes: Path, tmp_path: Path) -> None:
    (episodes / "lift" / "front" / "0.jpg").write_bytes(encode_jpeg(np.full((8, 16, 3), 200, np.uint8)))
    frames = open_source(f"csv:{episodes}", 8, image_fit="pad").frames(0, [0])
    assert frames[0, 0, :, 0, 0].tolist() == [0, 0, 200, 200, 200, 200, 0, 0]
    other = Format("boxes", "episodes", lambda path: False, lambda path, on_bad, image_size: None, "*.box")
    with pytest.raises(ConfigError, match="image_fit=pad, but the reader of format boxes takes no image_fit"):
        Location(other, tmp_path, {}).open(8, image_fit="pad")


def test_its_bad_episodes_are_named(plugin: None, episodes: Path) -> None:
    (episodes / "lift" / "steps.csv").write_text("x,gripper,dx,gripper_command\n1,2,nan,4\n")
    (episodes / "push_left" / "instruction.txt").unlink()
    quarantine = Quarantine()
    assert len(open_source(f"csv:{episodes}", on_bad=quarantine.add)) == 1
    assert [bad.row for bad in quarantine.rows] == ["lift", "push_left"]
    with pytest.raises(DataError, match=r"steps\.csv: NaN or infinity at control step 0"):
        open_source(f"csv:{episodes}")


def test_its_robot_and_its_field_map(plugin: None, tmp_path: Path) -> None:
    assert robot_named("cart").slot == 20
    assert field_map_named("cart_rlds").robot.name == "cart"
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "dataset_info.json").write_text(json.dumps({"name": "cart_rlds"}))
    (tmp_path / "set" / "features.json").write_text(json.dumps({"featuresDict": {"features": {}}}))
    with pytest.raises(DataError, match="has no steps/observation/x"):  # its map is taken
        open_source(tmp_path / "set")


def test_without_the_package_the_error_says_where_it_would_be_added(episodes: Path) -> None:
    with pytest.raises(ConfigError, match="no format 'csv'; choose from lerobot"):
        parse(f"csv:{episodes}")
    with pytest.raises(DataError, match=r"add a Format under the entry point 'polymath\.formats'"):
        parse(episodes)
    with pytest.raises(ConfigError, match=r"no robot 'cart'; .*entry point 'polymath\.robots'"):
        robot_named("cart")
    with pytest.raises(ConfigError, match=r"no FieldMap 'cart_rlds'; .*entry point 'polymath\.field_maps'"):
        field_map_named("cart_rlds")


def test_a_broken_format_is_a_note_until_it_is_asked_for(
    plugin: None, episodes: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "polymath_example_plugin.csv_format", None)
    with pytest.raises(ConfigError, match=r"polymath-example-plugin 0\.1\.0: entry point csv = .* cannot be loaded"):
        parse(f"csv:{episodes}")
    with pytest.raises(DataError, match="none of the known formats"):
        parse(episodes)
    assert "polymath-example-plugin" in caplog.text


@pytest.mark.parametrize(
    ("reader", "message"),
    [
        ("def FORMAT_open(path, **options): return object()", "its reader, a object, has no name, embodiment, __len__"),
        ("def FORMAT_open(path, **options): import nowhere", r"entry point csv = .* failed \(ModuleNotFoundError: "),
        ("def FORMAT_open(path, **options): return 1 / 0", r"failed \(ZeroDivisionError: division by zero\)"),
    ],
)
def test_a_format_that_fails_is_named(
    plugin: None, episodes: Path, monkeypatch: pytest.MonkeyPatch, reader: str, message: str
) -> None:
    """A missing package of the plug-in's is not one of ours: the remedy is not our extra `data`."""
    scope: dict = {}
    exec(reader, scope)
    broken = Format("csv", "episodes", lambda _: True, scope["FORMAT_open"], "*")
    monkeypatch.setattr("polymath_example_plugin.csv_format.FORMAT", broken)
    with pytest.raises(ConfigError, match=message):
        open_source(f"csv:{episodes}")
