"""A state that cannot be in the device's memory is refused before anything compiles or is written."""

from pathlib import Path

import pytest

from polymath.errors import ConfigError
from polymath.planning.cost import memory_bytes
from polymath.presets.demo import TINY
from polymath.sharding.mesh import Config
from polymath.sharding.table import abstract_partitioner
from polymath.training import job, room
from polymath.training.datasets import TrainingData


def test_state_and_gradients_are_those_of_the_planner() -> None:
    expected = memory_bytes(TINY)
    assert room.state_bytes(TINY, "robot", None) == expected["training_state"] + expected["gradients"]


def test_devices_share_the_state() -> None:
    alone = room.state_bytes(TINY, "robot", None)
    assert alone / 4 < room.state_bytes(TINY, "robot", abstract_partitioner(Config(data=4), None)) < alone / 2


def test_too_little_memory_is_one_line_and_leaves_nothing(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "device_memory", lambda device: 5 * 10**6)
    with pytest.raises(ConfigError, match=r"the alignment phase .* needs 0\.0 GB a device .* says what fits"):
        job.train(TINY, data, tmp_path / "run")
    assert not (tmp_path / "run" / "config.json").exists()
    assert job.preview(TINY, data, tmp_path / "run").recipe.name == "tiny"
