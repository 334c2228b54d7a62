"""Summaries and contact sheets of data sets small enough to count by hand."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from polymath.data.formats import known
from polymath.data.formats.known import Format
from polymath.data.formats.lerobot.writer import LeRobotWriter
from polymath.data.formats.webdataset.writer import WebDatasetWriter
from polymath.data.loading.prepared import is_prepared
from polymath.data.looking import contact_sheet
from polymath.data.looking.contact_sheet import MARGIN, TILE, write_contact_sheet
from polymath.data.looking.inspection import open_source, summarise
from polymath.data.looking.sample import MIXED_SIZE, spaced
from polymath.errors import ConfigError, DataError
from polymath.types import Embodiment, Episode, ImageText

RED, BLUE = (200, 10, 10), (10, 10, 200)
ROBOT = Embodiment("two-joint", 3, ("front",), ("x", "grip"), ("dx", "grip"), (1,), 10.0)


def flat(colour: tuple[int, int, int], *shape: int) -> np.ndarray:
    return np.broadcast_to(np.array(colour, np.uint8), (*shape, 16, 16, 3)).copy()


@pytest.fixture
def episodes(tmp_path: Path) -> Path:
    """Two episodes of 5 and 10 control steps at 10 Hz; x counts the steps, dx is 0.5 in one and -0.5 in the other."""
    with LeRobotWriter(tmp_path / "episodes", ROBOT, 10, 16, metadata={"renderer": "ray"}) as writer:
        for length, dx, colour in ((5, 0.5, RED), (10, -0.5, BLUE)):
            states = np.stack([np.arange(length), np.ones(length)], axis=1).astype(np.float32)
            actions = np.tile(np.array([dx, 1.0], np.float32), (length, 1))
            images = {"front": flat(colour, length)}
            writer.add(Episode(images, states, actions, f"go {length}", f"task-{length}", ROBOT.name))
    return tmp_path / "episodes"


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    with WebDatasetWriter(tmp_path / "pairs") as writer:
        for text in ("a red field", "a red field", "ein rötliches Feld, 红, sonst nichts"):
            writer.add(ImageText(flat(RED), text))
    return tmp_path / "pairs"


def test_episodes_are_counted(episodes: Path) -> None:
    summary = summarise(open_source(episodes))
    assert {name: summary[name] for name in ("kind", "episodes", "frames", "robot", "cameras", "picture")} == {
        "kind": "episodes",
        "episodes": 2,
        "frames": 15,
        "robot": "two-joint",
        "cameras": ["front"],
        "picture": [16, 16],
    }
    assert summary["minutes"] == pytest.approx(15 / 10 / 60)
    assert summary["control_steps"] == {"min": 5, "median": 7.5, "max": 10}
    assert summary["tasks"] == {"task-5": 1, "task-10": 1}
    assert summary["instructions"] == 2
    assert summary["recording"] == {"renderer": "ray"}


def test_statistics_are_per_dimension(episodes: Path) -> None:
    summary = summarise(open_source(episodes))
    x = [*range(5), *range(10)]
    assert list(summary["state"]) == ["x", "grip"]
    assert summary["state"]["x"]["mean"] == pytest.approx(np.mean(x))
    assert summary["state"]["x"]["std"] == pytest.approx(np.std(x))
    assert (summary["state"]["x"]["min"], summary["state"]["x"]["max"]) == (0, 9)
    assert summary["action"]["dx"]["mean"] == pytest.approx((5 * 0.5 - 10 * 0.5) / 15)
    assert summary["action"]["grip"]["std"] == 0


def test_pairs_are_counted(pairs: Path) -> None:
    summary = summarise(open_source(pairs))
    assert (summary["kind"], summary["pairs"], summary["captions"]) == ("pairs", 3, 2)
    assert summary["words"] == {"min": 3, "median": 3, "max": 6}
    assert summarise(open_source(pairs / "shard-000000.tar"))["pairs"] == 3


@pytest.mark.parametrize(
    ("name", "message"), [("nothing", "no such file"), ("empty", "holds none of the known formats: lerobot")]
)
def test_other_paths_are_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=f"{name}: {message}"):
        open_source(tmp_path / name)


def test_a_directory_that_vanishes_while_it_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def vanished(path: Path) -> bool:
        raise FileNotFoundError(2, "No such file or directory", str(path / "gone"))

    monkeypatch.setattr(known, "FORMATS", (Format("searching", "pairs", vanished, vanished, "*"),))
    with pytest.raises(DataError, match=r"cannot be searched for a known format \(.*gone: No such file.*\); name the"):
        open_source(tmp_path)


def test_a_name_too_long_for_a_file(tmp_path: Path) -> None:
    for name in (str(tmp_path / ("a" * 300)), f"lerobot:{tmp_path}/{'a' * 300}"):
        with pytest.raises(DataError, match=r"a: cannot be opened \(File name too long\); correct the path"):
            open_source(name)
        assert not is_prepared(name)


@pytest.mark.parametrize("name", ["sheet.jpg", "sheet", "sheet.png.pdf"])
def test_a_sheet_of_another_suffix_is_refused(pairs: Path, tmp_path: Path, name: str) -> None:
    """It would be a PNG under the name of something else."""
    with pytest.raises(ConfigError, match=rf"--sheet .*{name}: the sheet is a PNG; give a name that ends in \.png"):
        write_contact_sheet(open_source(pairs), tmp_path / name)
    assert not (tmp_path / name).exists()


def test_sheet_of_episodes_shows_each_episodes_pictures(episodes: Path, tmp_path: Path) -> None:
    write_contact_sheet(open_source(episodes), tmp_path / "sheet.png", rows=4, columns=3)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width == MARGIN + 3 * (TILE + MARGIN)
        middle = sheet.height // 4
        assert sheet.getpixel((MARGIN + TILE // 2, middle)) == RED
        assert sheet.getpixel((sheet.width - MARGIN - TILE // 2, 3 * middle)) == BLUE


class TwoCameras:
    """One episode of 4 control steps, seen by a wide and a tall camera."""

    name = "two cameras"
    embodiment = Embodiment("two-joint", 3, ("wide", "tall"), ("x", "grip"), ("dx", "grip"), (1,), 10.0)

    def __len__(self) -> int:
        return 1

    def instruction(self, episode: int) -> str:
        return "go"

    task = instruction

    def states(self, episode: int) -> np.ndarray:
        return np.zeros((4, 2), np.float32)

    actions = states

    def frames(self, episode: int, steps: list[int]) -> np.ndarray:
        raise DataError("cameras of different sizes")

    def camera_frames(self, episode: int, camera: str, steps: list[int]) -> np.ndarray:
        size, colour = ((20, 40), RED) if camera == "wide" else ((60, 30), BLUE)
        return np.broadcast_to(np.array(colour, np.uint8), (len(steps), *size, 3)).copy()


def test_a_sheet_shows_every_camera_in_its_own_aspect(tmp_path: Path) -> None:
    write_contact_sheet(TwoCameras(), tmp_path / "sheet.png", rows=1, columns=2)
    with Image.open(tmp_path / "sheet.png") as sheet:
        pixels = np.asarray(sheet)
    # 40 x 20 and 30 x 60 with their longer side at TILE: half as high, half as wide
    for colour, height, width in ((RED, TILE // 2, TILE), (BLUE, TILE, TILE // 2)):
        rows, _ = np.nonzero((pixels == colour).all(axis=2))
        assert rows.max() - rows.min() + 1 == height
        assert (pixels[rows.min()] == colour).all(axis=1).sum() == 2 * width


def test_cameras_of_different_sizes_are_summarised() -> None:
    summary = summarise(TwoCameras())
    assert (summary["cameras"], summary["picture"]) == (["wide", "tall"], [MIXED_SIZE, MIXED_SIZE])


@pytest.mark.parametrize("fonts", [contact_sheet.FONTS, ()], ids=["of the machine", "of Pillow"])
def test_sheet_of_pairs_has_a_caption_under_each_picture(
    pairs: Path, tmp_path: Path, fonts: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contact_sheet, "FONTS", fonts)
    write_contact_sheet(open_source(pairs), tmp_path / "sheet.png", rows=4, columns=2)
    with Image.open(tmp_path / "sheet.png") as sheet:
        picture = np.asarray(sheet)[MARGIN : MARGIN + TILE, MARGIN : MARGIN + TILE]
        caption = np.asarray(sheet)[MARGIN + TILE : MARGIN + TILE + 16, MARGIN : MARGIN + TILE]
    np.testing.assert_allclose(picture.mean((0, 1)), RED, atol=3)
    assert caption.min() < 100, "ink"
    assert caption.max() == 255, "on paper"


@pytest.mark.parametrize(
    ("count", "most", "expected"), [(1, 8, [0]), (3, 8, [0, 1, 2]), (10, 3, [0, 4, 9]), (9, 3, [0, 4, 8])]
)
def test_spaced(count: int, most: int, expected: list[int]) -> None:
    assert spaced(count, most) == expected
