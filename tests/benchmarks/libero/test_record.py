"""What `polymath record libero` refuses before a simulator starts."""

from pathlib import Path

import pytest

from polymath.benchmarks.libero.benchmark import BENCHMARK, TASKS
from polymath.commands.record_benchmarks import Demonstrations, libero
from polymath.errors import ConfigError


def test_the_experts_tasks_are_those_of_two_suites() -> None:
    assert set(BENCHMARK.demonstrable) == {*TASKS["libero_spatial"], *TASKS["libero_object"]}


def test_the_variations_for_evaluation_are_not_recorded(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="novel_positions: LIBERO-PRO's variations are for evaluation only"):
        libero(Demonstrations(tmp_path / "out", splits=("novel_positions",)))


def test_a_task_without_an_expert_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'turn_on_the_stove': no scripted expert of benchmark libero does it"):
        libero(Demonstrations(tmp_path / "out", tasks=("turn_on_the_stove",), splits=("seen",)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cameras": ("front",)}, "camera 'front'"),
        ({"renderer": "vulkan"}, "renderer 'vulkan'"),
        ({"episodes": 0}, "episodes 0"),
        ({"seed": -1}, "seed -1"),
        ({"action_noise": float("nan")}, "action noise nan"),
        ({"workers": 0}, "workers 0"),
        ({"tasks": ("libero_objects",)}, "task 'libero_objects'"),
    ],
)
def test_odd_settings_are_named(tmp_path: Path, settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        libero(Demonstrations(tmp_path / "out", **settings))  # type: ignore[arg-type]


def test_pictures_are_turned_or_raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "python").touch()
    monkeypatch.setenv("POLYMATH_LIBERO_PYTHON", str(tmp_path / "python"))
    with pytest.raises(ConfigError, match="option pictures 'sideways': choose from turned, raw"):
        libero(Demonstrations(tmp_path / "out"), pictures="sideways")
    assert not (tmp_path / "out").exists()
