"""Warnings about data made wrong on purpose, and none about data that is well; what is shown of every format."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polymath.cli import main
from polymath.data.files.images import encode_png
from polymath.data.files.quarantine import Quarantine
from polymath.data.formats.memory import MemoryEpisodes
from polymath.data.formats.opening import open_source
from polymath.data.looking import inspection
from polymath.data.looking.contact_sheet import write_contact_sheet
from polymath.data.looking.inspection import open_for_looking, summarise
from polymath.data.looking.rerun_recording import write_recording
from polymath.types import Embodiment, Episode

FIXTURES = Path(__file__).parents[2] / "fixtures" / "data"
ROBOT = Embodiment("arm", 1, ("front",), ("x", "gripper"), ("dx", "gripper"), (1,), 10.0, "gripper -1 open, 1 closed")


def episode(seed: int, inverted: bool = False, still: bool = False, spike: bool = False, dark: bool = False) -> Episode:
    """A gripper that closes (opening 0) two steps after the command 1, if not `inverted`."""
    rng = np.random.default_rng(seed)
    command = np.repeat(rng.choice([-1.0, 1.0], 10), 8)
    opening = np.roll((1 + (command if inverted else -command)) / 2, 2)
    x = np.zeros(80) if still else rng.normal(size=80)
    if spike:
        x[7] = 1000
    actions = np.stack([rng.normal(size=80), command], axis=1).astype(np.float32)
    picture = np.full((80, 8, 8, 3), 0 if dark else 90, np.uint8)
    return Episode({"front": picture}, np.stack([x, opening], axis=1).astype("f4"), actions, "go", "go", "arm")


def notes(**wrong: bool) -> list[str]:
    return summarise(MemoryEpisodes(ROBOT, [episode(seed, **wrong) for seed in range(3)]))["warnings"]


def test_good_data_has_no_warning() -> None:
    assert notes() == []


@pytest.mark.parametrize(
    ("wrong", "warning"),
    [
        ("inverted", "gripper looks inverted: action 'gripper' and state 'gripper' correlate by"),
        ("still", "state 'x' never moves"),
        ("spike", "state 'x' has outliers"),
        ("dark", "camera 'front' is black in 100% of the episodes"),
    ],
)
def test_each_wrong_is_warned_of(wrong: str, warning: str) -> None:
    (note,) = notes(**{wrong: True})
    assert note.startswith(warning)


def test_grippers_outside_their_range() -> None:
    made = episode(0)
    wide = replace(made, actions=made.actions * np.array([1, 2], np.float32))
    (note,) = summarise(MemoryEpisodes(ROBOT, [wide]))["warnings"]
    assert note == "action 'gripper' is a gripper outside [-1, 1]: -2 to 2"


def test_motion_in_few_rows_is_no_outlier() -> None:
    """A trigger that fires in 2 of 240 rows is scaled by its extremes; a state that jitters by 1e-5 hardly moves."""
    episodes = [episode(seed) for seed in range(3)]
    for made in episodes[:2]:
        made.actions[:, 0] = np.where(np.arange(80) == 40, 30, 0)
    episodes[2].actions[:, 0] = 0
    for made in episodes:
        made.states[:, 0] = 0.3 + 1e-5 * np.random.default_rng(4).normal(size=80)
    notes = summarise(MemoryEpisodes(ROBOT, episodes))["warnings"]
    assert [note.split(":")[0] for note in notes] == ["state 'x' hardly moves", "action 'dx' moves in few of its rows"]
    assert notes[1].endswith("98 % lie in 0 to 0, all in 0 to 30, which scale it")


def test_what_is_clipped_is_reported_for_every_dimension() -> None:
    summary = summarise(MemoryEpisodes(ROBOT, [episode(0)]), normalization="min-max")
    assert summary["normalization"] == "min-max"
    assert [(row["field"], row["dimension"], row["scaled_by"]) for row in summary["clipping"]] == [
        ("state", "x", "mean, std"),
        ("state", "gripper", "mean, std"),
        ("action", "dx", "min, max"),
        ("action", "gripper", "unchanged"),
    ]
    assert not any(row["share"] for row in summary["clipping"])


def test_an_episode_with_nan_is_set_aside() -> None:
    episodes = MemoryEpisodes(ROBOT, [episode(0), episode(1)])
    episodes.episodes[0].states[3, 0] = np.nan
    quarantine = Quarantine()
    assert summarise(episodes, quarantine)["episodes"] == 1
    (row,) = quarantine.rows
    assert (row.row, row.reason) == (
        "episode 0",
        "episodes in memory: episode 0: state: holds NaN or infinity: nan in dimension 0 in row 3; "
        "repair or drop the episode",
    )


def test_missing_instructions_are_counted() -> None:
    quarantine = Quarantine()
    summary = summarise(open_for_looking(FIXTURES / "rlds" / "tfrecord" / "bridge_dataset", quarantine), quarantine)
    assert (summary["episodes"], summary["bad"]) == (2, {"instruction": 1})
    assert summary["warnings"][0] == "instruction or caption missing in 1 rows"


@pytest.mark.parametrize("name", ["lerobot_v21_video", "lerobot_v3_image", "rlds/array_record/bridge_dataset"])
def test_every_format_is_shown(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = tmp_path / "sheet.png"
    assert main(["data", "inspect", str(FIXTURES / name), "--sheet", str(sheet)]) == 0
    assert "control steps" in capsys.readouterr().out
    assert sheet.read_bytes().startswith(b"\x89PNG")


def test_cameras_that_cannot_be_read_alone_are_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    source = open_source(FIXTURES / "lerobot_v3_image")

    def opened(name: str, image_size: int | None = None, on_bad: object = None) -> object:
        sizes.append(image_size)
        if image_size is None:
            refused = lambda *_: (_ for _ in ()).throw(inspection.DataError("sizes"))  # noqa: E731
            monkeypatch.setattr(source, "camera_frames", refused)
        return source

    monkeypatch.setattr(inspection, "open_source", opened)
    open_for_looking("any", Quarantine())
    assert sizes == [None, inspection.MIXED_SIZE]


def test_a_sheet_of_documents(tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_text('{"parts": [{"text": "hello"}]}\n')
    source = open_source(tmp_path)
    write_contact_sheet(source, tmp_path / "sheet.png")
    assert summarise(source)["kind"] == "documents"


def test_damaged_pictures_are_counted_not_fatal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of three pairs the first picture is cut; of the documents one picture is missing."""
    picture = encode_png(np.zeros((8, 8, 3), np.uint8))
    table = pa.table({"image": [picture[:40], picture, b"nonsense"], "text": ["a", "b", "c"]})
    pq.write_table(table, tmp_path / "a.parquet")
    (tmp_path / "d.jsonl").write_text('{"parts": [{"text": "a"}]}\n{"parts": [{"text": "b"}, {"image": "gone.png"}]}\n')
    for name, bad in (("a.parquet", {"picture": 2}), ("d.jsonl", {"picture": 1})):
        sheet = tmp_path / "sheet.png"
        assert main(["data", "inspect", str(tmp_path / name), "--sheet", str(sheet), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["bad"] == bad


def test_a_damaged_episode_is_counted_not_fatal(tmp_path: Path) -> None:
    path = Path(shutil.copytree(FIXTURES / "lerobot_v21_image", tmp_path / "set"))
    file = path / "data/chunk-000/episode_000000.parquet"
    table = pq.read_table(file)
    column = table.schema.get_field_index("observation.images.front")
    cut = [{**cell, "bytes": cell["bytes"][:50]} for cell in table["observation.images.front"].to_pylist()]
    pq.write_table(
        table.set_column(column, table.schema.field(column), pa.array(cut, table.schema.types[column])), file
    )
    quarantine = Quarantine()
    source = open_for_looking(path, quarantine)
    assert summarise(source, quarantine)["bad"] == {"picture": 1}
    assert write_recording(source, tmp_path / "a.rrd") == 2


def test_a_rerun_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file format begins with RRF; the numbers are in it."""
    out = tmp_path / "a.rrd"
    assert write_recording(open_source(FIXTURES / "lerobot_v3_image"), out, episodes=2) == 2
    assert out.read_bytes()[:3] == b"RRF"
    assert out.stat().st_size > 10_000
    pairs = tmp_path / "d.jsonl"
    pairs.write_text('{"parts": [{"text": "hello"}]}\n')
    assert main(["data", "inspect", str(pairs), "--rerun", str(out)]) == 2
    assert "Rerun shows episodes" in capsys.readouterr().err
