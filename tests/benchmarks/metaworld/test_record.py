"""Recording: deterministic bytes, clean labels on disturbed episodes, nothing left behind after an error."""

import numpy as np
import pytest

from polymath.benchmarks.metaworld.record import demonstrate, record
from polymath.benchmarks.metaworld.simulator import Simulator
from polymath.data.formats.lerobot.reader import LeRobotEpisodes
from polymath.errors import ConfigError, PolymathError

TASK_NAMES = ["reach-left", "faucet-close"]


def files_of(root):
    return {path.relative_to(root): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    root = tmp_path_factory.mktemp("recorded")
    report = record(root / "one", TASK_NAMES, 3, seed=5, workers=1, image_size=32, cameras=("front", "top"))
    return root, report


def test_number_of_workers_changes_no_byte(recorded, tmp_path):
    root, report = recorded
    again = record(tmp_path / "two", TASK_NAMES, 3, seed=5, workers=2, image_size=32, cameras=("front", "top"))
    assert files_of(root / "one") == files_of(tmp_path / "two")
    assert (again.episodes, again.frames, again.failures) == (report.episodes, report.frames, report.failures)


def test_recorded_episodes_are_those_of_the_simulator(recorded):
    root, report = recorded
    source = LeRobotEpisodes(root / "one")
    assert len(source) == report.episodes == 6
    simulation = Simulator(image_size=32, cameras=("front", "top"))
    for index in range(len(source)):
        stored = source.episode(index)
        meta = stored.metadata
        played, success = demonstrate(simulation, stored.task, meta["split"], meta["seed"], meta["action_noise"])
        assert success
        np.testing.assert_array_equal(stored.actions, played.actions)
        np.testing.assert_array_equal(stored.states, played.states)
        np.testing.assert_array_equal(stored.images["top"], played.images["top"])
        assert stored.instruction == played.instruction


def test_labels_of_disturbed_episodes_are_the_experts(monkeypatch):
    """The executed action differs from the recorded one; the recorded one is the expert's at the recorded state."""
    simulation = Simulator(image_size=32)
    executed = []
    step = simulation.step
    monkeypatch.setattr(simulation, "step", lambda action: executed.append(action.copy()) or step(action))
    clean, _ = demonstrate(simulation, "reach-right", "train", 3, noise=0.0)
    np.testing.assert_array_equal(np.stack(executed), clean.actions)
    executed.clear()
    noisy, _ = demonstrate(simulation, "reach-right", "train", 3, noise=0.3)
    deviation = (np.stack(executed) - noisy.actions)[:, :3]
    assert 0.15 < deviation.std() < 0.45
    np.testing.assert_array_equal(noisy.actions[0], clean.actions[0])
    assert np.abs(noisy.actions).max() <= 1


@pytest.mark.parametrize(
    "wrong", [{"tasks": ["reech-left"]}, {"split": "tset"}, {"renderer": "vulkan"}, {"cameras": ("side",)}]
)
def test_a_bad_name_leaves_nothing_behind(tmp_path, wrong):
    good = {"tasks": ["reach-left"], "split": "train", "renderer": "ray", "cameras": ("front",)}
    with pytest.raises(ConfigError):
        record(tmp_path / "out", episodes_per_task=1, seed=0, workers=1, **(good | wrong))
    assert not list(tmp_path.iterdir())


def test_existing_directory_is_left_alone(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(PolymathError, match="exists already"):
        record(tmp_path / "out", ["reach-left"], 1, seed=0, workers=1)
