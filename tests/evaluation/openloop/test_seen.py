"""What counts as held out: by the record of a run, wherever the episodes lie and whatever they are called."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from polymath import config
from polymath.data.formats.opening import open_source
from polymath.errors import ConfigError
from polymath.evaluation.openloop.seen import held_out_of, seen_by
from polymath.training import held_out
from polymath.training.division import divide
from polymath.training.held_out import Record, record_of
from polymath.training.run import DataRecord

SET = Path(__file__).parents[2] / "fixtures" / "data" / "lerobot_v3_image"


def run_with(path: Path, record: Record | None, sources: tuple[str, ...] = (str(SET),)) -> Any:
    """What `seen_by` reads of a run."""
    if record is not None:
        config.save(record, path / held_out.FILE)
    return SimpleNamespace(path=path, data=DataRecord((), sources))


@pytest.fixture
def record() -> Record:
    """Two of the three episodes are trained on."""
    (division,) = divide([open_source(SET)], 0.3, 0)
    return Record((record_of(str(SET), division),))


def test_the_held_out_episodes_are_named_exactly(tmp_path: Path, record: Record) -> None:
    run = run_with(tmp_path, record)
    (name,) = record.sets[0].held_out
    chosen = open_source(held_out_of(tmp_path))
    assert [chosen.episode_name(place) for place in range(len(chosen))] == [name]
    assert seen_by(run, held_out_of(tmp_path), chosen, [0]) == "held out"
    everything = open_source(SET)
    places = {everything.episode_name(place): place for place in range(3)}
    assert seen_by(run, str(SET), everything, [places[name]]) == "held out"
    assert seen_by(run, str(SET), everything, [0, 1, 2]) == "trained on"


def test_a_copy_of_the_set_is_known_by_its_contents(tmp_path: Path, record: Record) -> None:
    shutil.copytree(SET, tmp_path / "copy")
    copy = open_source(tmp_path / "copy")
    (tmp_path / "run").mkdir()
    run = run_with(tmp_path / "run", record)
    answers = {
        copy.episode_name(place): seen_by(run, str(tmp_path / "copy"), copy, [place]) for place in range(len(copy))
    }
    assert answers == dict.fromkeys(record.sets[0].trained, "trained on") | dict.fromkeys(
        record.sets[0].held_out, "held out"
    )


def test_what_the_record_cannot_say_is_unknown(tmp_path: Path, record: Record) -> None:
    """Prepared sets hide their episodes, and an older version kept no record: the place alone proves nothing."""
    episodes = open_source(SET)
    (name,) = record.sets[0].held_out
    place = next(place for place in range(3) if episodes.episode_name(place) == name)
    incomplete = run_with(tmp_path, Record(record.sets, complete=False))
    assert seen_by(incomplete, str(SET), episodes, [place]) == "unknown"
    (tmp_path / held_out.FILE).unlink()
    older = run_with(tmp_path, None)
    assert seen_by(older, str(SET), episodes, [0]) == "trained on"
    shutil.copytree(SET, tmp_path / "copy")
    assert seen_by(older, str(tmp_path / "copy"), open_source(tmp_path / "copy"), [0]) == "unknown"


def test_a_run_without_held_out_episodes_asks_for_data(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="keeps no record of held-out episodes; name episodes"):
        held_out_of(tmp_path)
    run_with(tmp_path, Record((record_of(str(SET), divide([open_source(SET)], 0.0, 0)[0]),)))
    with pytest.raises(ConfigError, match=r"held no episode out \(held_out.share\)"):
        held_out_of(tmp_path)


def test_options_of_the_name_stay_and_its_choice_of_episodes_goes() -> None:
    of_set = held_out.SetRecord("lerobot:set?cameras=front&episodes=0-9", {}, {"episode 4": "a", "episode 7": "b"})
    assert held_out.name_of(of_set) == "lerobot:set?cameras=front&episodes=4,7"
    assert held_out.name_of(held_out.SetRecord("demos.hdf5", {}, {"demo_3": "a"})) == "demos.hdf5?episodes=demo_3"
