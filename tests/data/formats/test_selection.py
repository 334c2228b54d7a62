"""Episodes, cameras, robot and slot are chosen alike for every format; the sets are written here or in memory."""

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymath.data.files.quarantine import Quarantine
from polymath.data.formats.hdf5_file import reading
from polymath.data.formats.memory import MemoryEpisodes
from polymath.data.formats.opening import name_with, open_source
from polymath.data.formats.selection import select
from polymath.data.interface import episode_name
from polymath.errors import ConfigError, DataError, PolymathError
from polymath.types import Conventions, Embodiment, Episode

ROBOT = Embodiment(
    name="two-eyed",
    slot=0,
    cameras=("front", "wrist"),
    state_names=("x",),
    action_names=("dx",),
    gripper_dims=(),
    control_hz=10.0,
    conventions=Conventions(("primary", "wrist"), ("m",), ("m",), "pose delta", "none", "base", "none"),
)


def episode(number: int) -> Episode:
    """One step; front is as bright as the number, wrist 100 more."""
    images = {name: np.full((1, 4, 4, 3), number + level, np.uint8) for name, level in (("front", 0), ("wrist", 100))}
    values = np.full((1, 1), number, np.float32)
    return Episode(images, values, values, f"task {number}", f"task {number}", ROBOT.name)


class Numbered(MemoryEpisodes):
    """Episodes whose own numbers are not their places."""

    def episode_name(self, episode: int) -> str:
        return f"episode {int(self.states(episode)[0, 0])}"


def numbered(numbers: Sequence[int]) -> Numbered:
    return Numbered(ROBOT, [episode(number) for number in numbers])


@pytest.mark.parametrize(
    ("choice", "chosen"),
    [
        ("3", [3]),
        ("0-3, 7", [0, 2, 3, 7]),
        ("7,0", [0, 7]),
        ("episode 2", [2]),
        ("episode *", [0, 2, 3, 7]),
        ([7, 2], [2, 7]),
        (["episode 3", 0], [0, 3]),
    ],
)
def test_episodes_go_by_the_sets_own_numbers(choice: str | list, chosen: list[int]) -> None:
    source = select(numbered([0, 2, 3, 7]), episodes=choice)
    assert [episode_name(source, i) for i in range(len(source))] == [f"episode {n}" for n in chosen]
    assert [int(source.frames(i, [0])[0, 1, 0, 0, 0]) for i in range(len(source))] == [n + 100 for n in chosen]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("8", "has no episode 8; there are 0, 2-3, 7"),
        ("1", "has no episode 1; there are 0, 2-3, 7"),
        ("2-99", "has no episode 99; there are 0, 2-3, 7"),
        ("3-2", "3-2 runs backwards; write 2-3"),
        ("demo_3", "has no episode 'demo_3'; there are episode 0, episode 2"),
        ("", "names none"),
        (" , ", "names none"),
        ([], "names none"),
        ("@gone.txt", r"gone\.txt: cannot be read as a list of episodes"),
        ("-1", "has no episode '-1'"),
    ],
)
def test_episodes_that_are_not_there(choice: str | list, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        select(numbered([0, 2, 3, 7]), episodes=choice)


def test_a_gap_within_a_range_is_noted() -> None:
    assert select(numbered([0, 2, 3, 7]), episodes="0-7").notes == ("episodes 1, 4-6 are not in the set",)  # type: ignore[attr-defined]


def test_episodes_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "keep.txt").write_bytes(b"\xef\xbb\xbf0\r\n2-3\r\n\r\n")
    assert len(select(numbered([0, 2, 3, 7]), episodes=f"@{tmp_path / 'keep.txt'}")) == 3


@given(st.sets(st.integers(0, 40), min_size=1), st.data())
def test_what_is_chosen_is_what_is_there(numbers: set[int], data: st.DataObject) -> None:
    """A selection holds exactly the chosen numbers, in the order of the set."""
    ordered = sorted(numbers)
    chosen = data.draw(st.lists(st.sampled_from(ordered), min_size=1))
    source = select(numbered(ordered), episodes=",".join(map(str, chosen)))
    assert [int(source.states(i)[0, 0]) for i in range(len(source))] == sorted(set(chosen))


def test_cameras_are_left_out_and_reordered() -> None:
    source = select(numbered([5]), cameras="wrist")
    assert source.embodiment.cameras == ("wrist",)
    assert source.embodiment.conventions is not None
    assert source.embodiment.conventions.roles == ("wrist",)
    assert source.frames(0, [0])[0, :, 0, 0, 0].tolist() == [105]
    assert source.notes == ("cameras front are left out, as chosen",)  # type: ignore[attr-defined]
    assert select(numbered([5]), cameras=["wrist", "front"]).frames(0, [0])[0, :, 0, 0, 0].tolist() == [105, 5]
    for cameras, message in (("rear", "no camera 'rear'; there are front, wrist"), ("wrist,wrist", "one twice")):
        with pytest.raises(ConfigError, match=message):
            select(numbered([5]), cameras=cameras)


def test_slot_and_robot() -> None:
    assert select(numbered([5]), slot="3").embodiment.slot == 3
    for slot in ("32", "-1", "a", "٣"):
        with pytest.raises(ConfigError, match="is none of 0 to 31"):
            select(numbered([5]), slot=slot)
    twin = Embodiment("twin", 4, ("wrist", "front"), ("x",), ("dx",), (), 10.0)
    source = select(numbered([5]), robot=twin)
    assert (source.embodiment.name, source.frames(0, [0])[0, :, 0, 0, 0].tolist()) == ("twin", [105, 5])
    one = Embodiment("one", 4, ("eye",), ("x",), ("dx",), (), 10.0)
    with pytest.raises(DataError, match=r"2 cameras, but robot 'one' has 1; .* some of front, wrist"):
        select(numbered([5]), robot=one)
    source = select(numbered([5]), robot=one, cameras="wrist")
    assert source.notes[-1] == "camera wrist is taken for one's eye"  # type: ignore[attr-defined]
    with pytest.raises(DataError, match="1 state dimensions, but robot 'aloha' has 14"):
        select(numbered([5]), robot="aloha")


@pytest.fixture
def lift(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "lift.hdf5", "w") as file:
        for name in ("demo_0", "demo_1", "demo_2", "demo_10"):
            demo = file.create_group(f"data/{name}")
            demo["actions"] = np.zeros((4, 7))
            for key, width in (("eef_pos", 3), ("eef_quat", 4), ("gripper_qpos", 2)):
                demo[f"obs/robot0_{key}"] = np.zeros((4, width))
            demo["obs/agentview_image"] = np.zeros((4, 16, 16, 3), np.uint8)
            demo["obs/robot0_eye_in_hand_image"] = np.ones((4, 8, 8, 3), np.uint8)
        file["data/demo_1/actions"][0, 0] = np.nan
        del file["data/demo_2/obs/agentview_image"]
    return tmp_path / "lift.hdf5"


def test_what_is_not_chosen_may_be_bad(lift: Path) -> None:
    """demo_1 holds NaN, demo_2 lacks a camera: neither matters where the other demonstrations are chosen."""
    name = f"{lift}?instruction=lift&cameras=agentview_image"
    assert len(open_source(f"{name}&episodes=0,10")) == 2
    with pytest.raises(DataError, match="demo_1, actions: NaN"):
        open_source(f"{name}&episodes=0-1")
    quarantine = Quarantine()
    assert len(open_source(f"{name}&episodes=0-1", on_bad=quarantine.add)) == 1
    assert [(bad.row, bad.kind) for bad in quarantine.rows] == [("demo_1", "nan")]
    wrist = open_source(f"{lift}?instruction=lift", episodes=[2], cameras=["robot0_eye_in_hand_image"], slot=9)
    assert wrist.frames(0, [0]).shape == (1, 1, 8, 8, 3)
    assert wrist.embodiment.slot == 9


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("episodes=0&episodes=1", "option 'episodes' stands there twice"),
        ("episodes=", "option 'episodes' stands there without a value"),
        ("episode=1", "hdf5 has no option 'episode', only: instruction, cameras, episodes, robot, slot"),
        ("cameras=rear", "no camera 'rear'; there are agentview_image, robot0_eye_in_hand_image"),
        ("robot=nobody", "no robot 'nobody'; choose from widowx-bridge"),
    ],
)
def test_options_that_do_not_fit(lift: Path, query: str, message: str) -> None:
    with pytest.raises(PolymathError, match=message):
        open_source(f"{lift}?instruction=lift&{query}", on_bad=Quarantine().add)


def test_an_option_is_given_once(lift: Path) -> None:
    with pytest.raises(ConfigError, match="episodes is given in the name and beside it"):
        open_source(f"{lift}?episodes=0&instruction=lift", episodes=[1])


def test_pairs_have_no_episodes(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"parts": [{"text": "a"}]}\n')
    with pytest.raises(ConfigError, match="holds documents; episodes, cameras, robot, slot choose among episodes"):
        open_source(tmp_path, episodes=[0])


def robomimic_file(path: Path, cameras: Sequence[str] = ("agentview_image",)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        demo = file.create_group("data/demo_0")
        demo["actions"] = np.zeros((2, 7))
        for name, width in (("eef_pos", 3), ("eef_quat", 4), ("gripper_qpos", 2)):
            demo[f"obs/robot0_{name}"] = np.zeros((2, width))
        for camera in cameras:
            demo[f"obs/{camera}"] = np.zeros((2, 8, 8, 3), np.uint8)
    return path


@pytest.mark.parametrize("folder", ["what?", "was? wo?instruction=no"])
def test_options_behind_a_place_with_a_question_mark(tmp_path: Path, folder: str) -> None:
    file = robomimic_file(tmp_path / folder / "lift.hdf5")
    for name in (f"{file}?instruction=is it red?", f"hdf5:{file}?instruction=is it red?"):
        assert open_source(name).instruction(0) == "is it red?"


def test_a_long_sentence_as_an_option(tmp_path: Path) -> None:
    """Longer than a file's name may be, which the search for the place must survive."""
    sentence = "lift " * 2000
    assert (
        open_source(f"{robomimic_file(tmp_path / 'a.hdf5')}?instruction={sentence}").instruction(0) == sentence.strip()
    )


def test_an_ampersand_within_a_value(tmp_path: Path) -> None:
    file = robomimic_file(tmp_path / "a.hdf5")
    assert open_source(f"{file}?instruction=pick %26 place&slot=3").instruction(0) == "pick & place"
    with pytest.raises(ConfigError, match="a & within a value is written %26"):
        open_source(f"{file}?instruction=pick & place")
    named = name_with(file, {"instruction": "pick & place", "cameras": ["agentview_image"], "slot": None})
    assert open_source(named).instruction(0) == "pick & place"


def test_a_colour_camera_that_is_not_taken_is_noted(tmp_path: Path) -> None:
    file = robomimic_file(tmp_path / "a.hdf5", ("agentview_image", "nose_image"))
    source = open_source(f"{file}?instruction=lift")
    assert source.embodiment.cameras == ("agentview_image",)
    [note] = source.notes
    assert "camera 'nose_image' is left out" in note
    chosen = note.rpartition("cameras=")[2]
    assert open_source(f"{file}?instruction=lift&cameras={chosen}").embodiment.cameras == (
        "agentview_image",
        "nose_image",
    )


@pytest.mark.parametrize("error", [ValueError("no\nsuch type"), TypeError("x"), MemoryError("x"), OverflowError("x")])
def test_types_and_sizes_of_a_damaged_hdf5_file_are_one_line(error: Exception) -> None:
    with pytest.raises(DataError, match=r"^here: not a whole HDF5 file") as caught, reading("here"):
        raise error
    assert "\n" not in str(caught.value)
