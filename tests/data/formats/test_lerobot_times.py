"""Pictures by time: each set says in its pictures which episode and frame they show (`lerobot_sets.shown`).

The expected frames are those that lerobot 0.6.1 looks up (from_timestamp + timestamp), where it opens the set.
"""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.data.formats.lerobot_sets import FRONT, Columns, edit_entries, picture, rewrite_info, shown, write_set

from polymath.data.files.quarantine import Quarantine
from polymath.data.files.video import Timeline
from polymath.data.formats.lerobot.reader import LeRobotEpisodes
from polymath.errors import ConfigError, DataError


def frames_shown(root: Path, **options: Any) -> list[list[int]]:
    """The frames of every episode; the same whether clips are decoded whole or frame by frame, in any order."""
    whole, single = LeRobotEpisodes(root, **options), LeRobotEpisodes(root, cache_bytes=1, **options)
    result = []
    for episode in range(len(whole)):
        steps = np.arange(len(whole.actions(episode)))
        images = whole.frames(episode, steps)
        np.testing.assert_array_equal(single.frames(episode, steps), images)
        np.testing.assert_array_equal(single.frames(episode, steps[::-3])[:, 0], images[::-3, 0])
        episodes, frames = zip(*shown(images[:, 0]), strict=True)
        assert f"episode {set(episodes).pop()}" == whole.episode_name(episode)
        assert len(set(episodes)) == 1
        result.append(list(frames))
    return result


def times(values: Any, kind: pa.DataType | None = None):
    """An edit that gives the rows other timestamps: a function of the row's number."""

    def edit(episode: int, rows: Columns) -> None:
        rows["timestamp"] = pa.array(values(np.arange(len(rows["index"]))), kind or pa.float32())

    return edit


def keep(places: Any):
    """An edit that keeps some rows, as when an episode is trimmed without touching its video."""

    def edit(episode: int, rows: Columns) -> Columns:
        return {name: column.take(pa.array(places)) for name, column in rows.items()}

    return edit


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
@pytest.mark.parametrize("factor", [2, 3])
def test_a_video_at_a_multiple_of_the_rows_rate(tmp_path: Path, version: str, factor: int) -> None:
    def frames(episode: int, steps: int) -> list[np.ndarray]:
        return [picture(episode, k / factor) for k in range(factor * steps)]

    root = write_set(tmp_path / "set", (8, 6), version=version, fps=15, rate=15 * factor, frames=frames)
    assert frames_shown(root) == [list(range(8)), list(range(6))]


def test_a_video_at_another_rate(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", (18,), fps=20, rate=30)
    with pytest.raises(DataError, match=r"info\.json, fps: 20, but .*_000000\.mp4 has 30 frames a second, no whole"):
        LeRobotEpisodes(root)
    # rows at 0.05 s beside frames at 1/30 s: 0, 0.05 -> 1 (as near as 2), 0.1 -> 3, …; the video ends before row 12
    root = write_set(tmp_path / "long", (12,), fps=20, rate=30, frames=lambda e, n: [picture(e, t) for t in range(18)])
    assert frames_shown(root, pictures="nearest") == [[0, 1, 3, 4, 6, 7, 9, 10, 12, 13, 15, 16]]
    with pytest.raises(ConfigError, match=r"pictures: 'all' is none of exact, nearest"):
        LeRobotEpisodes(root, pictures="all")


def test_ntsc_is_as_good_as_its_nominal_rate(tmp_path: Path) -> None:
    """After 500 rows the drift is half a frame; from there on the nearest frame is the one before."""
    root = write_set(tmp_path / "set", (600,), fps=30, rate=Fraction(30000, 1001))
    expected = np.rint(np.arange(600) / 30 * 30000 / 1001 - 1e-9).astype(int) % 20
    assert frames_shown(root) == [expected.tolist()]


def test_b_frames_and_long_groups(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", (17, 9), version="v3.0", options={"bf": "2", "g": "12"})
    assert frames_shown(root) == [list(range(17)), list(range(9))]


def test_jitter(tmp_path: Path) -> None:
    jitter = np.random.default_rng(0).uniform(-0.02, 0.02, 8)
    root = write_set(tmp_path / "set", edit_rows=times(lambda t: t / 10 + jitter[: len(t)] * (t > 0)))
    assert frames_shown(root) == [list(range(8))] * 2


def test_dropped_rows(tmp_path: Path) -> None:
    places = [0, 1, 2, 3, 4, 7, 8, 9]
    root = write_set(tmp_path / "set", (10, 10), edit_rows=keep(places), edit_entry=lambda e, row: row | {"length": 8})
    assert frames_shown(root) == [places, places]
    (note,) = LeRobotEpisodes(root).notes
    assert note == "4 control steps were cut out of episodes after they were recorded"


def test_a_trimmed_beginning(tmp_path: Path) -> None:
    root = write_set(
        tmp_path / "set", (10, 10), edit_rows=keep(range(3, 10)), edit_entry=lambda e, row: row | {"length": 7}
    )
    assert frames_shown(root) == [list(range(3, 10))] * 2


def test_a_trimmed_episode_in_the_middle_of_a_file(tmp_path: Path) -> None:
    """lerobot issue 2111: the video was left alone."""
    root = write_set(
        tmp_path / "set",
        (10, 10, 10),
        version="v3.0",
        edit_rows=lambda e, rows: keep(range(3, 10))(e, rows) if e == 1 else None,
    )

    def edit(entries: list[dict[str, Any]]) -> None:
        for entry, length, first in zip(entries, (10, 7, 10), (0, 10, 17), strict=True):
            entry |= {"length": length, "dataset_from_index": first, "dataset_to_index": first + length}

    assert frames_shown(edit_entries(root, edit)) == [list(range(10)), list(range(3, 10)), list(range(10))]


def test_hardware_clocks(tmp_path: Path) -> None:
    """The robot paused for 3 s, the video has a frame a row all the same (lerobot issue 3513)."""
    root = write_set(tmp_path / "set", edit_rows=times(lambda t: t / 10 + 3.0 * (t >= 4)))
    assert frames_shown(root) == [list(range(8))] * 2
    (note,) = LeRobotEpisodes(root).notes
    assert "timestamps of 2 episodes do not fit their videos (episode 0 for one); they have a frame a row" in note


def test_a_clock_of_another_unit(tmp_path: Path) -> None:
    """Milliseconds: a frame a row would fit, but not at this pace."""
    root = write_set(tmp_path / "set", (8,), edit_rows=times(lambda t: 100.0 * t))
    with pytest.raises(
        DataError, match=r"has 8 frames .*; none at 100\.000 s, where frame 1 is; copy .* or correct timest"
    ):
        LeRobotEpisodes(root)


def test_times_without_pictures(tmp_path: Path) -> None:
    """A pause as above, but the video is a frame short: nothing says which picture belongs to which row."""

    def frames(episode: int, steps: int) -> list[np.ndarray]:
        return [picture(episode, t) for t in range(steps - 1)]

    root = write_set(tmp_path / "set", (8,), edit_rows=times(lambda t: t / 10 + 3.0 * (t >= 4)), frames=frames)
    message = r"episode_000000\.mp4: has 7 frames .* for episode 0 of 8 rows; none at 3\.400 s, where frame 4 is"
    with pytest.raises(DataError, match=message):
        LeRobotEpisodes(root)


@pytest.mark.parametrize("video", [True, False])
@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        (lambda t: 1.7e9 + t / 10, pa.float32(), r"1700000000 is too large, float32 has steps of 128 s there"),
        (
            lambda t: 1.7e9 + t / 10,
            pa.float64(),
            r"1700000001 is too large.*seconds since the beginning",
        ),
        (lambda t: 1_700_000_000_000 + 100 * t, pa.int64(), r"is too large.*subtract the first one"),
        (lambda t: 3e5 + t / 10, pa.float32(), r"300000.* is too large, float32 has steps of 0\.03125 s"),
        (lambda t: [None, *t[1:] / 10], pa.float32(), r"NaN, null or no single number; write seconds"),
        (lambda t: t[::-1] / 10, pa.float32(), r"frame 1, timestamp: does not increase; sort or drop"),
        (lambda t: [str(i) for i in t], pa.string(), r"holds string, no numbers"),
        (lambda t: t, pa.timestamp("ns"), r"holds timestamp\[ns\], no numbers"),
    ],
)
def test_times_that_are_none(tmp_path: Path, video: bool, values: Any, kind: pa.DataType, message: str) -> None:
    root = write_set(tmp_path / "set", (8,), video=video, edit_rows=times(values, kind))
    with pytest.raises(DataError, match=rf"episode_000000\.parquet: episode 0, .*{message}"):
        LeRobotEpisodes(root)


def test_fps_that_the_rows_do_not_have(tmp_path: Path) -> None:
    root = rewrite_info(write_set(tmp_path / "set", video=False), fps=30)
    assert LeRobotEpisodes(root).notes == ("rows are 0.1 s apart, but info.json has fps 30",)


def spans(*values: tuple[float, float]):
    """An edit that gives the episodes other parts of the video."""

    def edit(entries: list[dict[str, Any]]) -> None:
        for entry, (start, stop) in zip(entries, values, strict=True):
            entry |= {f"videos/{FRONT}/from_timestamp": start, f"videos/{FRONT}/to_timestamp": stop}

    return edit


@pytest.mark.parametrize(
    ("values", "message", "bad"),
    [
        (((0, 0.8), (0.7, 1.6), (1.6, 2.4)), r"episode 1 \(0\.700 to 1\.600 s\) overlaps with episode 0", {0, 1}),
        (((0, 0.8), (0.0, 0.8), (1.6, 2.4)), r"episode 1 .*overlaps with episode 0", {0, 1}),
        (((0, 0.8), (0.8, 1.6), (2.4, 3.2)), r"ends at 2\.400 s \(24 frames\), but episode 2 is .*3\.200 s", {2}),
        (((0, 0.8), (1.6, 0.8), (1.6, 2.4)), r"episode 1, .*1\.6 to to_timestamp 0\.8 is no part of a video", {1}),
        (((0, 0.8), (0.8, 0.8), (1.6, 2.4)), r"episode 1, .*is no part of a video", {1}),
        (((-0.8, 0.8), (0.8, 1.6), (1.6, 2.4)), r"episode 0, .*from_timestamp -0\.8", {0}),
        (((0, 0.5), (0.8, 1.6), (1.6, 2.4)), r"has 5 frames .*for episode 0 of 8 rows; none at 0\.500 s", {0}),
        (((0, float("nan")), (0.8, 1.6), (1.6, 2.4)), r"to_timestamp: must be a number of seconds, not nan", {0}),
    ],
)
def test_parts_of_a_video_that_do_not_fit(tmp_path: Path, values: Any, message: str, bad: set[int]) -> None:
    root = edit_entries(write_set(tmp_path / "set", (8, 8, 8), version="v3.0"), spans(*values))
    with pytest.raises(DataError, match=message):
        LeRobotEpisodes(root)
    quarantine = Quarantine()
    good = LeRobotEpisodes(root, on_bad=quarantine.add)
    assert {row.row for row in quarantine.rows if row.kind == "video"} == {f"episode {index}" for index in bad}
    for place in range(len(good)):
        index = int(good.episode_name(place).split()[1])
        assert shown(good.frames(place, range(8))[:, 0]) == [(index, t) for t in range(8)]


@given(
    rate=st.sampled_from([10, 24, 25, 29.97, 30, 50, 60]),
    multiple=st.integers(1, 3),
    start=st.integers(0, 200),
    shift=st.floats(-0.45, 0.45),
    steps=st.integers(1, 50),
)
def test_a_row_belongs_to_its_frame_whatever_the_offset(
    rate: float, multiple: int, start: int, shift: float, steps: int
) -> None:
    """Offsets of less than half a frame (rounded durations, float32) never lead to a neighbour."""
    line = Timeline(np.arange(500) / rate, 1 / rate, True)
    moments = np.float32((start + multiple * np.arange(steps) + shift) / rate)
    np.testing.assert_array_equal(line.nearest(moments, 0, 500), start + multiple * np.arange(steps))


def test_the_last_file_is_a_frame_short(tmp_path: Path) -> None:
    """A file that lost its last frame costs its last episode, and no other."""

    def frames(episode: int, steps: int) -> list[np.ndarray]:
        return [picture(episode, t) for t in range(steps - episode)]

    root = write_set(tmp_path / "set", (8, 8), version="v3.0", frames=frames)
    edit_entries(root, spans((0, 0.8), (0.8, 1.6)))
    quarantine = Quarantine()
    assert len(LeRobotEpisodes(root, on_bad=quarantine.add)) == 1
    assert [(row.row, row.kind) for row in quarantine.rows] == [("episode 1", "video")]
    assert pq.read_metadata(root / "data/chunk-000/file-000.parquet").num_rows == 16
