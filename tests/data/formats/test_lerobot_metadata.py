"""Metadata of any type reads right or is one line that names file and field; columns are found by their names.

Expected values are those that were written; the cases follow threads of lerobot (named where there is one).
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.data.formats.lerobot_sets import (
    FRONT,
    HEIGHT,
    WIDTH,
    Columns,
    edit_entries,
    picture,
    pictures,
    png,
    rewrite_info,
    shown,
    write_set,
)

from polymath import config
from polymath.data.files.quarantine import Quarantine
from polymath.data.formats.lerobot.info import Feature, dimension_names
from polymath.data.formats.lerobot.reader import LeRobotEpisodes
from polymath.data.formats.opening import open_source
from polymath.errors import DataError
from polymath.types import Conventions, Embodiment

DEPTH = "observation.images.front_depth"


def refused(root: Path, message: str, kind: str | None = None) -> None:
    with pytest.raises(DataError, match=message) as caught:
        LeRobotEpisodes(root)
    assert "\n" not in str(caught.value)
    assert kind in (None, caught.value.kind)


def feature(name: str, **fields: Any):
    """An edit of info.json: fields of one feature."""

    def edit(info: dict[str, Any]) -> None:
        info["features"][name] = info["features"].get(name, {}) | fields

    return edit


# info.json


@pytest.mark.parametrize(
    "fps", ["10", "30000/1001", -10, 0, 0.0, float("nan"), float("inf"), 1e-9, 1e9, True, [10], {"value": 10}]
)
def test_fps_must_be_a_positive_finite_number(tmp_path: Path, fps: Any) -> None:
    root = rewrite_info(write_set(tmp_path / "set", (4,), video=False), fps=fps)
    refused(root, r"info\.json, fps: must be a positive finite number")


@pytest.mark.parametrize("fps", [10, 10.0, 12.5])
def test_fps_may_be_whole_or_not(tmp_path: Path, fps: float) -> None:
    assert LeRobotEpisodes(write_set(tmp_path / "set", (4,), fps=fps)).fps == fps


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"fps": None}, r"fps: is missing"),
        ({"features": []}, r"features: is no JSON object but list"),
        ({"features": None}, r"features: is missing"),
        ({"data_path": None}, r"data_path: is missing"),
        ({"data_path": 3}, r"data_path: must be a text such as .*, not 3"),
        ({"data_path": "data/{split}/{episode_index:06d}.parquet"}, r"data_path: cannot fill in .*split.*placeholders"),
        ({"data_path": "data/{0}.parquet"}, r"data_path: cannot fill in"),
        ({"data_path": "data/{episode_index:Q}.parquet"}, r"data_path: cannot fill in"),
        ({"data_path": "../../etc/{episode_index:06d}.parquet"}, r"data_path: .*leads out of the data set"),
        ({"data_path": "/etc/{episode_index:06d}.parquet"}, r"data_path: .*leads out of the data set"),
        ({"video_path": None}, r"video_path: is missing, but observation\.images\.front is a video"),
        ({"video_path": "videos/{camera}.mp4"}, r"video_path: cannot fill in"),
        ({"codebase_version": "v1.6"}, r"codebase_version: 'v1\.6' is none of v2\.0, v2\.1, v3\.0; convert"),
        ({"codebase_version": "v3.1"}, r"codebase_version: 'v3\.1' is none of"),
        ({"codebase_version": None}, r"codebase_version: None is none of"),
        ({"codebase_version": 3.0}, r"codebase_version: 3\.0 is none of"),
        ({"chunks_size": "many"}, r"chunks_size: must be a whole number, not 'many'"),
        ({"chunks_size": -1}, r"chunks_size: must be a whole number, not -1"),
        ({"total_frames": "8"}, r"total_frames: must be a whole number, not '8'"),
        ({"total_episodes": 3}, r"total_episodes: 3, but meta/episodes has 2; copy the whole set"),
        ({"total_frames": 17}, r"total_frames: 17, but meta/episodes has 16; copy the whole set"),
    ],
)
def test_info_of_other_types(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    root = rewrite_info(write_set(tmp_path / "set"), **fields)
    refused(root, rf"info\.json, {message}")


@pytest.mark.parametrize("fields", [{"total_episodes": None, "total_frames": None}, {"chunks_size": None}])
def test_what_info_need_not_have(tmp_path: Path, fields: dict[str, Any]) -> None:
    assert len(LeRobotEpisodes(rewrite_info(write_set(tmp_path / "set"), **fields))) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "not valid JSON"), ("[1]", "is no JSON object but list"), ("\ufeffnull", "NoneType"), ("{", "not valid")],
)
def test_an_info_that_is_none(tmp_path: Path, text: str, message: str) -> None:
    root = write_set(tmp_path / "set")
    (root / "meta/info.json").write_text(text)
    refused(root, rf"info\.json.*{message}")


def test_a_byte_order_mark(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", video=False)
    for name in ("info.json", "episodes.jsonl", "tasks.jsonl"):
        file = root / "meta" / name
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert len(LeRobotEpisodes(root)) == 2


# features and names


@pytest.mark.parametrize(
    ("names", "width", "expected"),
    [
        (None, 2, ("0", "1")),
        (["x", "y"], 2, ("x", "y")),
        (["x"], 2, ("0", "1")),
        (["x", "x"], 2, ("0", "1")),
        ({"motors": ["x", "y"]}, 2, ("x", "y")),
        ({"y": 1, "x": 0}, 2, ("x", "y")),
        ({"arm": {"motors": ["x", "y"]}, "hand": ["g"]}, 3, ("x", "y", "g")),
        ({"motors": {"y": 1, "x": 0}}, 2, ("x", "y")),
        ([["x", "y"], ["z"]], 3, ("x", "y", "z")),
        ([0, 1], 2, ("0", "1")),
        ("x", 1, ("x",)),
        ({}, 1, ("0",)),
        (3.5, 1, ("3.5",)),
    ],
)
def test_names_of_dimensions(names: Any, width: int, expected: tuple[str, ...]) -> None:
    assert dimension_names(Feature("action", "float32", (width,), names, {}, [width])) == expected


@pytest.mark.parametrize("shape", [2, [], None, "2", [0], [-2], [2.5], ["a"], {"width": 2}])
def test_a_shape_that_is_none(tmp_path: Path, shape: Any) -> None:
    root = write_set(tmp_path / "set", (4,), video=False, edit_info=feature("action", shape=shape))
    refused(root, r"info\.json, features\.action\.shape: .* is no list of sizes; write \[width\]")


@pytest.mark.parametrize("shape", [[10**400], [2**40], [1000, 1000]])
def test_a_shape_beyond_all_robots(tmp_path: Path, shape: list[int]) -> None:
    """Names are made for every dimension, so a damaged number must not be believed."""
    root = write_set(tmp_path / "set", (4,), video=False, edit_info=feature("action", shape=shape))
    refused(root, r"info\.json, features\.action\.shape: .* is more than 100000 numbers")


def test_a_video_whose_name_leads_out_of_the_set(tmp_path: Path) -> None:
    info = feature("../../secret", dtype="video", shape=[HEIGHT, WIDTH, 3])
    refused(write_set(tmp_path / "set", edit_info=info), r"features\.\.\./\.\./secret: a video's name is a folder")


def test_a_feature_of_another_type(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", (4,), video=False, edit_info=lambda i: i["features"].update(action="float32"))
    refused(root, r"info\.json, features\.action: is no JSON object but str")
    root = write_set(tmp_path / "type", (4,), video=False, edit_info=feature("action", dtype=None))
    refused(root, r"info\.json, features\.action\.dtype: None is no type")
    root = write_set(tmp_path / "picture", (4,), video=False, edit_info=feature("action", dtype="image"))
    refused(root, r"info\.json, features\.action\.dtype: 'image', a picture, is no vector")


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
@pytest.mark.parametrize("fixed", [True, False])
def test_vectors_of_two_axes_lie_row_by_row(tmp_path: Path, version: str, fixed: bool) -> None:
    """Two arms, as datasets.Array2D (lerobot 2445, 3194); lerobot 0.6.1 opens it."""

    def info(value: dict[str, Any]) -> None:
        feature("observation.state", shape=[2, 3])(value)
        feature("action", shape=[2, 2])(value)

    def rows(episode: int, columns: Columns) -> None:
        for name, inner in (("observation.state", 3), ("action", 2)):
            values = np.arange(6 * 2 * inner, dtype=np.float32).reshape(6, 2, inner) + episode
            kind = pa.list_(pa.list_(pa.float32(), inner), 2) if fixed else pa.list_(pa.list_(pa.float32()))
            columns[name] = pa.array(values.tolist(), kind)

    root = write_set(tmp_path / "set", (6, 6), version=version, video=False, edit_info=info, edit_rows=rows)
    source = LeRobotEpisodes(root)
    assert (source.embodiment.state_dim, source.embodiment.action_dim) == (6, 4)
    np.testing.assert_array_equal(source.states(1), np.arange(36).reshape(6, 6) + 1)
    np.testing.assert_array_equal(source.actions(0), np.arange(24).reshape(6, 4))


def test_vectors_of_other_numbers(tmp_path: Path) -> None:
    def info(value: dict[str, Any]) -> None:
        feature("action", shape=[1], dtype="bool")(value)

    def rows(episode: int, columns: Columns) -> None:
        columns["action"] = pa.array([t % 2 == 0 for t in range(6)])
        columns["observation.state"] = pa.array([[t, 2 * t, 3] for t in range(6)], pa.large_list(pa.int64()))

    source = LeRobotEpisodes(write_set(tmp_path / "set", (6,), video=False, edit_info=info, edit_rows=rows))
    np.testing.assert_array_equal(source.actions(0)[:, 0], [1, 0, 1, 0, 1, 0])
    np.testing.assert_array_equal(source.states(0), [[t, 2 * t, 3] for t in range(6)])


# nulls and other bad rows


def replaced(name: str, values: Any, kind: pa.DataType | None = None, episode: int = 0):
    """An edit of one column of one episode: `values` of its rows as Python lists."""

    def edit(number: int, rows: Columns) -> None:
        if number == episode:
            rows[name] = pa.array(values(rows[name].to_pylist()), kind or pa.list_(pa.float32()))

    return edit


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (lambda v: [*v[:-1], None], None),
        (lambda v: [*v[:-1], [None, 1.0]], None),
        (lambda v: [*v[:-1], [float("nan"), 1.0]], None),
        (lambda v: [*v[:-1], [1e300, 1.0]], pa.list_(pa.float64())),
        (lambda v: [[[x] for x in row] for row in v[:-1]] + [[[1.0], None]], pa.list_(pa.list_(pa.float32()))),
        (lambda v: [[int(x) for x in row] for row in v[:-1]] + [[None, 1]], pa.list_(pa.int32())),
    ],
)
def test_a_null_is_named_with_its_control_step(tmp_path: Path, values: Any, kind: pa.DataType | None) -> None:
    root = write_set(tmp_path / "set", video=False, edit_rows=replaced("action", values, kind))
    refused(root, r"episode_000000\.parquet: episode 0, action: NaN.* at control step 7", "nan")
    quarantine = Quarantine()
    assert len(LeRobotEpisodes(root, on_bad=quarantine.add)) == 1
    assert [(row.row, row.kind) for row in quarantine.rows] == [("episode 0", "nan")]


def test_all_rows_null(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", video=False, edit_rows=replaced("action", lambda v: [None] * 8, pa.null()))
    refused(root, r"episode 0, action", None)


def test_a_null_among_lists_of_a_fixed_size(tmp_path: Path) -> None:
    """pyarrow writes such a file, and reads it nowhere; a copy of it is no better."""
    edit = replaced("action", lambda v: [*v[:-1], None], pa.list_(pa.float32(), 2))
    root = write_set(tmp_path / "set", video=False, edit_rows=edit)
    refused(root, r"episode_000000\.parquet: a row is null in a column of lists of a fixed size.*write it again", "nan")


@pytest.mark.parametrize(
    ("name", "values", "kind", "message"),
    [
        ("action", lambda v: [*v[:3], [1.0], *v[4:]], None, r"action: row 3 has 1 numbers, the rows before it 2"),
        ("action", lambda v: [str(row) for row in v], pa.string(), r"action: holds string, no numbers"),
        ("action", lambda v: [["a", "b"]] * 8, pa.list_(pa.string()), r"action: holds string, no numbers"),
        ("frame_index", lambda v: [None, *v[1:]], pa.int64(), r"frame_index: null in a row"),
        ("task_index", lambda v: [None] * 8, pa.int64(), r"task_index: null in a row; write the task"),
        ("task_index", lambda v: [0, None, *v[2:]], pa.int64(), r"task_index: null in a row; write the task"),
        ("task_index", lambda v: [0.5] * 8, pa.float64(), r"task_index: holds a fraction"),
        ("frame_index", lambda v: v[::-1], pa.int64(), r"frame_index: must be 0 or more and increase"),
        ("frame_index", lambda v: [0] * 8, pa.int64(), r"frame_index: must be 0 or more and increase"),
        ("frame_index", lambda v: [i - 5 for i in v], pa.int64(), r"frame_index: must be 0 or more and increase"),
        ("episode_index", lambda v: [None, *v[1:]], pa.int64(), r"episode_index: the rows are of another episode"),
        ("episode_index", lambda v: [[0, 0]] * 8, pa.list_(pa.int64()), r"episode_index: 2 numbers in a row; write"),
        ("frame_index", lambda v: [[i, i] for i in v], pa.list_(pa.int64()), r"frame_index: 2 numbers in a row; write"),
        ("task_index", lambda v: [[0, 0]] * 8, pa.list_(pa.int64()), r"task_index: 2 numbers in a row; write one"),
        ("episode_index", lambda v: ["0"] * 8, pa.string(), r"episode_index: holds string, no numbers"),
    ],
)
def test_rows_of_other_types(tmp_path: Path, name: str, values: Any, kind: pa.DataType | None, message: str) -> None:
    root = write_set(tmp_path / "set", video=False, edit_rows=replaced(name, values, kind))
    refused(root, rf"episode_000000\.parquet.*{message}")
    quarantine = Quarantine()
    assert len(LeRobotEpisodes(root, on_bad=quarantine.add)) == 1
    assert {row.row for row in quarantine.rows} == {"episode 0"}


def test_one_ragged_episode_leaves_the_others_of_its_file(tmp_path: Path) -> None:
    edit = replaced("action", lambda v: [[1.0, 2.0, 3.0] for _ in v], episode=1)

    def rows(episode: int, columns: Columns) -> None:
        columns["action"] = columns["action"].cast(pa.list_(pa.float32()))
        edit(episode, columns)

    root = write_set(tmp_path / "set", (8, 8, 8), version="v3.0", video=False, edit_rows=rows)
    refused(root, r"episode 1, action: width 3, but robot 'arm' has 2", "width")
    quarantine = Quarantine()
    source = LeRobotEpisodes(root, on_bad=quarantine.add)
    assert [source.episode_name(place) for place in range(2)] == ["episode 0", "episode 2"]
    assert [(row.row, row.kind) for row in quarantine.rows] == [("episode 1", "width")]


@pytest.mark.parametrize("name", ["timestamp", "episode_index", "task_index", "action", FRONT])
def test_a_missing_column_is_named_beside_those_there(tmp_path: Path, name: str) -> None:
    root = write_set(tmp_path / "set", (4,), video=False, edit_rows=lambda e, rows: rows.pop(name) and None)
    refused(root, rf"episode_000000\.parquet: has no column '{name}'.* It has .*index", "schema")


# the list of episodes


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"length": None}, r"length: must be a whole number from 0 on, not None"),
        ({"length": -8}, r"length: must be a whole number from 0 on, not -8"),
        ({"length": 0}, r"length"),
        ({"length": 6}, r"length"),
        ({"length": 9}, r"length|needs 9 rows, 8 are there"),
        ({"length": 8.5}, r"length: must be a whole number from 0 on, not 8\.5"),
    ],
)
def test_lengths_that_do_not_fit(tmp_path: Path, version: str, changes: dict[str, Any], message: str) -> None:
    """Never a shorter episode."""
    root = write_set(
        tmp_path / "set",
        version=version,
        video=False,
        edit_entry=lambda e, row: row | changes if e == 1 else None,
    )
    refused(root, rf"episode 1.*{message}")
    quarantine = Quarantine()
    assert len(LeRobotEpisodes(root, on_bad=quarantine.add)) == 1
    assert "episode 1" in {row.row for row in quarantine.rows}


@pytest.mark.parametrize("bounds", [(8, 6), (8, 18), (16, 8), (0, 8), (7, 15), (9, 17)])
def test_row_ranges_that_do_not_fit(tmp_path: Path, bounds: tuple[int, int]) -> None:
    root = write_set(tmp_path / "set", (8, 8, 8), version="v3.0", video=False)
    first, last = bounds
    edit_entries(root, lambda rows: rows[1].update(dataset_from_index=first, dataset_to_index=last))
    refused(root, r"episode 1.*(dataset_from_index to dataset_to_index|the rows are of another episode)")


def test_an_episode_listed_twice(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set")
    file = root / "meta/episodes.jsonl"
    first, second = file.read_text().splitlines()
    file.write_text("\n".join([first, second, second]))
    refused(root, r"episodes\.jsonl: episode 1 is listed 2 times; keep one entry", "duplicate")
    quarantine = Quarantine()
    assert len(LeRobotEpisodes(root, on_bad=quarantine.add)) == 2  # the two entries are the same
    file.write_text("\n".join([first, second, json.dumps(json.loads(second) | {"length": 5})]))
    quarantine = Quarantine()
    assert len(LeRobotEpisodes(root, on_bad=quarantine.add)) == 1
    assert [row.row for row in quarantine.rows if row.kind == "duplicate"] == ["episode 1"] * 2


@pytest.mark.parametrize("place", [0, 1, 2])
def test_rows_of_an_episode_that_is_not_listed(tmp_path: Path, place: int) -> None:
    """A part of meta/episodes was lost in a copy; the others are found at their own rows."""
    root = edit_entries(
        write_set(tmp_path / "set", (8, 8, 8), version="v3.0", video=False), lambda rows: rows.pop(place) and None
    )
    refused(root, r"info\.json, total_episodes: 3, but meta/episodes has 2", "totals")
    rewrite_info(root, total_episodes=2, total_frames=16)
    refused(root, rf"file-000\.parquet: episode {place} has rows, but no entry in meta/episodes", "schema")
    source = LeRobotEpisodes(root, on_bad=Quarantine().add)
    for i in range(2):
        names = {f"episode {episode}" for episode, _ in shown(source.frames(i, range(8))[:, 0])}
        assert names == {source.episode_name(i)}


def test_numbers_written_as_floats(tmp_path: Path) -> None:
    """pandas makes floats of a column that once held a null."""
    root = write_set(tmp_path / "set", version="v3.0", video=False)
    edit_entries(root, lambda rows: [row.update(episode_index=float(row["episode_index"])) for row in rows] and None)
    assert [LeRobotEpisodes(root).episode_name(i) for i in range(2)] == ["episode 0", "episode 1"]


def test_files_that_macos_leaves_beside_others(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", version="v3.0", video=False)
    (root / "meta/episodes/chunk-000/._file-000.parquet").write_bytes(b"\0\5\x16\7" * 20)
    assert len(LeRobotEpisodes(root)) == 2


def test_interleaved_rows(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", version="v3.0", video=False)
    file = root / "data/chunk-000/file-000.parquet"
    pq.write_table(pq.read_table(file).take(pa.array(np.arange(16).reshape(2, 8).T.ravel())), file)
    refused(root, r"episode 0, episode_index: the rows are of another episode; meta/episodes does not fit data")


@pytest.mark.parametrize("tasks", [None, 7, {"a": 1}, [None], "push"])
def test_tasks_of_an_entry_are_not_needed(tmp_path: Path, tasks: Any) -> None:
    root = write_set(tmp_path / "set", video=False, edit_entry=lambda e, row: row | {"tasks": tasks})
    assert LeRobotEpisodes(root).instruction(1) == "push the block"


def test_lines_of_another_type(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set")
    file = root / "meta/episodes.jsonl"
    file.write_text(file.read_text() + '[1, 2]\n{"length": 3}\n')
    refused(root, r"episodes\.jsonl: row 3: is no object but list")
    quarantine = Quarantine()
    assert len(LeRobotEpisodes(root, on_bad=quarantine.add)) == 2
    assert [row.row for row in quarantine.rows if row.kind == "schema"] == ["row 3", "row 4"]


def test_errors_name_the_sets_own_numbers(tmp_path: Path) -> None:
    nan = replaced("action", lambda v: [*v[:2], [float("nan"), 0.0], *v[3:]], episode=7)
    root = write_set(tmp_path / "nan", (8, 8, 8), indices=(0, 3, 7), video=False, edit_rows=nan)
    refused(root, r"episode_000007\.parquet: episode 7, action: NaN", "nan")

    def rows(episode: int, columns: Columns) -> None:
        if episode == 1:
            nan = [*columns["action"].to_pylist()[:-1], [float("nan"), 0.0]]
            columns["action"] = pa.array(nan, pa.list_(pa.float32(), 2))
        if episode == 3:
            columns[FRONT] = pictures([b"xx"] * 8)

    source = LeRobotEpisodes(
        write_set(tmp_path / "shift", (8,) * 4, version="v3.0", video=False, edit_rows=rows),
        on_bad=Quarantine().add,
    )
    assert source.episode_name(2) == "episode 3"
    with pytest.raises(DataError, match=r"file-000\.parquet: episode 3, frame 0, observation\.images\.front: cannot"):
        source.frames(2, [0])


# instructions


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_instructions_of_other_types(tmp_path: Path, version: str) -> None:
    root = write_set(tmp_path / "list", version=version, video=False, tasks=[["push"]])
    assert LeRobotEpisodes(root).instruction(0) == "push"
    root = write_set(tmp_path / "two", version=version, video=False, tasks=[["push", "pull"]])
    refused(root, r"episode 0, task_index 0: \['push', 'pull'\] in meta/tasks\.\w+ is no text", "instruction")
    root = write_set(tmp_path / "number", version=version, video=False, tasks=[7])
    refused(root, r"episode 0, task_index 0: 7 in meta/tasks\.\w+ is no text", "instruction")
    root = write_set(tmp_path / "null", version=version, video=False, tasks=[None])
    refused(root, r"episode 0, task_index 0: no instruction in meta/tasks", "instruction")


def test_a_line_separator_in_an_instruction(tmp_path: Path) -> None:
    text = "push\u2028the block\x85now"
    assert LeRobotEpisodes(write_set(tmp_path / "set", video=False, tasks=[text])).instruction(0) == text


def test_a_column_of_instructions(tmp_path: Path) -> None:
    def rows(episode: int, columns: Columns) -> None:
        columns["language"] = pa.array([f"task {episode}"] * 8)

    root = write_set(tmp_path / "set", video=False, edit_rows=rows)
    source = LeRobotEpisodes(root, task="language")
    assert [source.instruction(i) for i in range(2)] == ["task 0", "task 1"]
    with pytest.raises(DataError, match=r"has no column 'words'.* It has .*language"):
        LeRobotEpisodes(root, task="words")


def test_instructions_in_lists(tmp_path: Path) -> None:
    def rows(episode: int, columns: Columns) -> None:
        columns["language"] = pa.array([["push", "pull"] if episode else ["push"]] * 8)

    root = write_set(tmp_path / "set", video=False, edit_rows=rows)
    quarantine = Quarantine()
    source = LeRobotEpisodes(root, task="language", on_bad=quarantine.add)
    assert [source.instruction(i) for i in range(len(source))] == ["push"]
    assert [(bad.row, bad.kind) for bad in quarantine.rows] == [("episode 1", "instruction")]


# columns by name


@pytest.mark.parametrize(("version", "video"), [("v2.1", True), ("v3.0", False)])
def test_pusht_opens_by_itself(tmp_path: Path, version: str, video: bool) -> None:
    root = write_set(tmp_path / "set", version=version, video=video, cameras=("observation.image",))
    source = LeRobotEpisodes(root)
    assert source.embodiment.cameras == ("image",)
    assert shown(source.frames(1, range(8))[:, 0]) == [(1, t) for t in range(8)]


def openpi(root: Path, *cameras: str, state: bool = True) -> Path:
    def info(value: dict[str, Any]) -> None:
        features = value["features"]
        features["state"], features["actions"] = features.pop("observation.state"), features.pop("action")
        if not state:
            del features["state"]

    def rows(episode: int, columns: Columns) -> None:
        columns["state"], columns["actions"] = columns.pop("observation.state"), columns.pop("action")

    return write_set(root, video=False, cameras=cameras, edit_info=info, edit_rows=rows)


def test_openpi_opens_by_itself(tmp_path: Path) -> None:
    source = LeRobotEpisodes(openpi(tmp_path / "set", "image", "wrist_image"))
    assert source.embodiment.cameras == ("image", "wrist_image")
    assert source.states(1).shape == (8, 3)
    assert source.actions(1).shape == (8, 2)


def test_columns_named_behind_the_place(tmp_path: Path) -> None:
    root = openpi(tmp_path / "set", "agentview", "eye_in_hand")
    source = open_source(f"lerobot:{root}?cameras=eye_in_hand&state=state,actions&action=actions&task=task_index")
    assert source.embodiment.cameras == ("eye_in_hand",)
    assert source.embodiment.state_names == ("state.0", "state.1", "state.2", "actions.0", "actions.1")
    np.testing.assert_array_equal(source.states(0)[:, 3:], source.actions(0))
    assert source.notes == ("cameras agentview are left out, as chosen",)
    names = LeRobotEpisodes(root, cameras=["eye_in_hand", "agentview"], state=["state"])
    assert names.embodiment.cameras == ("eye_in_hand", "agentview")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cameras": "front,side"}, r"no camera 'front'; the cameras are agentview, eye_in_hand"),
        ({"cameras": ""}, r"no camera"),
        ({"state": "proprio"}, r"no 'proprio' for the state; there are state, actions"),
        ({"state": ","}, r"observation\.state: is missing; name the columns of the state"),
        ({"action": "agentview"}, r"features\.agentview\.dtype: 'image', a picture, is no vector"),
    ],
)
def test_what_is_missing_lists_what_is_there(tmp_path: Path, options: dict[str, str], message: str) -> None:
    root = openpi(tmp_path / "set", "agentview", "eye_in_hand")
    with pytest.raises(DataError, match=rf"info\.json, .*{message}"):
        LeRobotEpisodes(root, **options)


def test_without_a_state(tmp_path: Path) -> None:
    root = openpi(tmp_path / "set", "image", state=False)
    refused(root, r"info\.json, observation\.state: is missing; name the columns .* state=NAME.* There are actions")


def test_without_a_camera(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", video=False, cameras=())
    refused(root, r"info\.json, features: no camera \(dtype image or video\) among observation\.state, action")


# pictures


def with_pictures(encoded: list[bytes | None]):
    def edit(episode: int, rows: Columns) -> None:
        rows[FRONT] = pictures(encoded)

    return edit


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"shape": [HEIGHT, WIDTH, 1], "info": {"is_depth_map": True}}, "is_depth_map"),
        ({"shape": [HEIGHT, WIDTH, 3], "info": {"video.is_depth_map": True}}, "is_depth_map"),
        ({"shape": [HEIGHT, WIDTH, 3], "video_info": {"video.is_depth_map": True}}, "is_depth_map"),
        ({"shape": [HEIGHT, WIDTH, 1]}, "1 channel"),
        ({"shape": [1, HEIGHT, WIDTH], "names": ["channels", "height", "width"]}, "1 channel"),
        ({"shape": [HEIGHT, WIDTH]}, "1 channel"),
        ({"shape": [HEIGHT, WIDTH, 3], "info": {"video.pix_fmt": "gray12le"}}, "pixels are gray12le"),
    ],
)
def test_depth_is_left_out_by_name(tmp_path: Path, version: str, fields: dict[str, Any], reason: str) -> None:
    """uint16 millimetres as PNG beside the colour camera (lerobot 2604, 3402, 3644)."""
    depth = png(np.full((HEIGHT, WIDTH), 1500, np.uint16))

    def rows(episode: int, columns: Columns) -> None:
        columns[DEPTH] = pictures([depth] * 6)

    info = feature(DEPTH, **{"dtype": "image", **fields})
    root = write_set(tmp_path / "set", (6,), version=version, video=False, edit_info=info, edit_rows=rows)
    source = LeRobotEpisodes(root)
    assert source.embodiment.cameras == ("front",)
    assert source.notes == (f"camera 'front_depth' is left out: {reason}, no colour picture",)
    assert source.frames(0, [2]).shape == (1, 1, HEIGHT, WIDTH, 3)


def test_depth_that_is_asked_for(tmp_path: Path) -> None:
    info = feature(DEPTH, dtype="image", shape=[HEIGHT, WIDTH, 1], info={"is_depth_map": True})
    root = write_set(tmp_path / "set", (6,), video=False, edit_info=info)
    with pytest.raises(DataError, match=r"front_depth: is a depth map, no colour picture; choose other cameras: front"):
        LeRobotEpisodes(root, cameras="front,front_depth")


def test_depth_in_disguise(tmp_path: Path) -> None:
    """16-bit pixels keep their upper byte, floats are refused by name; nothing is clipped to white."""
    deep = np.full((HEIGHT, WIDTH), 0x1234, np.uint16)
    root = write_set(tmp_path / "u16", (2,), video=False, edit_rows=with_pictures([png(deep)] * 2))
    assert (LeRobotEpisodes(root).frames(0, [1]) == 0x12).all()
    metres = png(deep.astype(np.float32) / 1000, "TIFF")
    root = write_set(tmp_path / "f32", (2,), video=False, edit_rows=with_pictures([metres] * 2))
    with pytest.raises(DataError, match=r"episode 0, frame 1, observation\.images\.front: its pixels are floats"):
        LeRobotEpisodes(root).frames(0, [1])


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_pictures_as_plain_bytes(tmp_path: Path, kind: pa.DataType) -> None:
    def rows(episode: int, columns: Columns) -> None:
        columns[FRONT] = pa.array([png(picture(episode, t)) for t in range(8)], kind)

    source = LeRobotEpisodes(write_set(tmp_path / "set", video=False, edit_rows=rows))
    assert shown(source.frames(1, range(8))[:, 0]) == [(1, t) for t in range(8)]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pictures([None] * 4, [f"images/{t}.png" for t in range(4)]), r"not in the file, only its path images/0\.png"),
        (pictures([None] * 4), r"row 0, observation\.images\.front: the picture is missing"),
        (pa.array([f"images/{t}.png" for t in range(4)]), r"front: holds string, no encoded pictures"),
        (pa.array([1, 2, 3, 4]), r"front: holds int64, no encoded pictures"),
        (pa.array([[1, 2]] * 4), r"front: holds list<.*>, no encoded pictures"),
    ],
)
def test_pictures_that_are_none(tmp_path: Path, column: pa.Array, message: str) -> None:
    root = write_set(tmp_path / "set", (4,), video=False, edit_rows=lambda e, rows: rows.update({FRONT: column}))
    refused(root, rf"episode_000000\.parquet.*{message}", "picture")


def test_a_single_picture_that_is_missing(tmp_path: Path) -> None:
    encoded = [png(picture(0, 0)), None, png(picture(0, 2)), b""]
    root = write_set(tmp_path / "set", (4,), video=False, edit_rows=with_pictures(encoded))
    for step in (1, 3):
        with pytest.raises(DataError, match=rf"episode 0, frame {step}, .*: the picture is missing"):
            LeRobotEpisodes(root).frames(0, [step])


def test_pictures_of_different_sizes(tmp_path: Path) -> None:
    encoded = [png(picture(0, t)[: HEIGHT - t]) for t in range(4)]
    root = write_set(tmp_path / "set", (4,), video=False, edit_rows=with_pictures(encoded))
    with pytest.raises(DataError, match=r"episode 0, .*front: pictures of different sizes; open it with an image_size"):
        LeRobotEpisodes(root).frames(0, [0, 1])
    assert LeRobotEpisodes(root, image_size=16).frames(0, [0, 1]).shape == (2, 1, 16, 16, 3)


@pytest.mark.parametrize("shape", [[3, HEIGHT, WIDTH], [HEIGHT, WIDTH, 3], None, "large"])
def test_the_shape_of_a_picture_decides_nothing(tmp_path: Path, shape: Any) -> None:
    source = LeRobotEpisodes(write_set(tmp_path / "set", video=False, edit_info=feature(FRONT, shape=shape)))
    assert shown(source.frames(1, range(8))[:, 0]) == [(1, t) for t in range(8)]


def test_ten_thousand_episodes_are_few_objects(tmp_path: Path) -> None:
    """Opening reads each file once: the number of reads goes with files, not with episodes."""
    root = write_set(tmp_path / "set", (2,) * 300, version="v3.0", video=False)
    source = LeRobotEpisodes(root)
    assert len(source) == 300
    assert source.states(299).base is source.states(0).base  # views of the file's one array
    assert pq.read_metadata(root / "data/chunk-000/file-000.parquet").num_rows == 600


def test_some_cameras_of_a_described_robot(tmp_path: Path) -> None:
    """meta/embodiment.json has an order and a role for each camera; both are kept."""
    conventions = Conventions(("wrist", "primary"), ("m",) * 3, ("1", "1"), "pose delta", "none", "base", "none")
    robot = Embodiment("arm", 0, ("wrist", "front"), ("x", "y", "z"), ("a", "b"), (), 10.0, conventions=conventions)
    cameras = (FRONT, "observation.images.wrist")
    root = write_set(tmp_path / "set", video=False, cameras=cameras)
    config.save(robot, root / "meta/embodiment.json")
    assert LeRobotEpisodes(root).embodiment == robot
    chosen = LeRobotEpisodes(root, cameras="front").embodiment
    assert chosen.cameras == ("front",)
    assert chosen.conventions is not None
    assert chosen.conventions.roles == ("primary",)
    with pytest.raises(DataError, match=r"no camera 'side'; the cameras are front, wrist"):
        LeRobotEpisodes(root, cameras="side")
