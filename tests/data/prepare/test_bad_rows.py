"""One bad row never ends a preparation: whatever a library raises for it, it is set aside with its name and reason."""

import errno
import json
import shutil
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polymath.cli import main
from polymath.data.files.images import encode_jpeg
from polymath.data.formats.lerobot.reader import LeRobotEpisodes
from polymath.data.formats.parquet_pairs import ParquetPairs
from polymath.data.prepare.pipeline import prepare
from polymath.data.prepare.reading import one_row, printable
from polymath.errors import ConfigError, DataError

from .conftest import FIXTURES, LAYOUT, noise
from .test_pipeline import SETTINGS

EPISODES = f"lerobot:{FIXTURES / 'lerobot_v21_image'}"
RAISED = [
    ValueError("no number"),
    struct.error("unpack requires 4 bytes"),
    OSError(errno.EIO, "Input/output error"),
    pa.ArrowInvalid("Column 3: not UTF-8"),
    av.error.InvalidDataError(errno.EINVAL, "Invalid data found"),
    KeyError("image"),
    MemoryError("Unable to allocate 9 TiB"),
    ZeroDivisionError("division by zero"),
    RuntimeError("INTERNAL: crc\n  of record 3"),
]


def write_pairs(place: Path, texts: list[str]) -> str:
    place.mkdir(parents=True)
    images = [encode_jpeg(noise(i, 32)) for i in range(len(texts))]
    pq.write_table(pa.table({"image": images, "text": texts}), place / "a.parquet")
    return str(place)


def failing(method: Callable, row: int, error: BaseException) -> Callable:
    """The method, raising for one row."""

    def wrapped(self: object, index: int, *more: object) -> object:
        if index == row:
            raise error
        return method(self, index, *more)

    return wrapped


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
def test_what_a_library_raises_becomes_an_error_of_the_row(error: Exception) -> None:
    with pytest.raises(DataError) as caught, one_row("set: row 3"):
        raise error
    assert str(caught.value).startswith(f"set: row 3: {type(error).__name__}: ")
    assert "\n" not in str(caught.value)
    assert caught.value.kind == "unexpected"


@pytest.mark.parametrize(
    "error",
    [OSError(errno.EMFILE, "Too many open files"), ImportError("py3langid"), ConfigError("x"), AssertionError()],
)
def test_what_is_no_fault_of_a_row_passes(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, one_row("set: row 3"):
        raise error
    assert caught.value is error


def test_half_a_surrogate_pair_can_be_stored() -> None:
    assert printable("a\ud800b") == "a?b"


def test_rows_whose_reader_raises_anything_are_set_aside(
    tokenizer_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture that no decoder takes, an unpaired surrogate in a text (which neither hash nor tokenizer encode)."""
    name = write_pairs(tmp_path / "pairs", [f"picture number {i}" for i in range(12)])
    monkeypatch.setattr(ParquetPairs, "image", failing(ParquetPairs.image, 3, struct.error("unpack \ud800")))
    text = ParquetPairs.text
    monkeypatch.setattr(ParquetPairs, "text", lambda self, row: "a half \ud83d" if row == 5 else text(self, row))
    (facts,) = prepare([name], tokenizer_file, LAYOUT, tmp_path / "out", SETTINGS)["sources"].values()
    assert (facts["rows"], facts["kept"], facts["bad"]) == (12, 10, 2)
    assert facts["reasons"] == {"other": 1, "unexpected": 1}
    table = pq.read_table(tmp_path / "out" / "quarantine.parquet").to_pylist()
    places = [row["row"].partition(": ")[2] for row in table]
    assert places == ["row group 0, row 3", "row group 0, row 5"]
    assert "error: unpack ?; repair or drop the row" in table[0]["reason"]
    assert "row 5: text: 'a half" in table[1]["reason"]
    assert "unexpected" in (tmp_path / "out" / "card.html").read_text()


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_an_episode_with_nan_is_set_aside_alone(
    bad: float, tokenizer_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The statistics are those of the other two, which float64 values beyond float32 would spoil as NaN would."""
    actions = LeRobotEpisodes.actions

    def spoiled(self: LeRobotEpisodes, episode: int) -> np.ndarray:
        values = np.array(actions(self, episode), np.float64)
        if episode == 1:
            values[2, 0] = bad
        return values

    monkeypatch.setattr(LeRobotEpisodes, "actions", spoiled)
    (facts,) = prepare([EPISODES], tokenizer_file, LAYOUT, tmp_path / "out", SETTINGS)["sources"].values()
    assert (facts["rows"], facts["kept"], facts["reasons"]) == (3, 2, {"nan": 1})
    (row,) = pq.read_table(tmp_path / "out" / "quarantine.parquet").to_pylist()
    assert row["row"] == "episode 1"
    folder = next((tmp_path / "out").glob("00-*"))
    statistics = json.loads((folder / "statistics.json").read_text())
    assert statistics["action"]["count"] == 5 + 4, "of 5, 7 and 4 control steps, tests/oracles/write_lerobot.py"
    assert np.isfinite(statistics["action"]["max"]).all()


def test_statistics_survive_an_episode_that_cannot_be_read(
    tokenizer_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LeRobotEpisodes, "states", failing(LeRobotEpisodes.states, 0, ValueError("cannot reshape")))
    (facts,) = prepare([EPISODES], tokenizer_file, LAYOUT, tmp_path / "out", SETTINGS)["sources"].values()
    assert (facts["kept"], facts["reasons"]) == (2, {"unexpected": 1})


def test_a_set_without_one_good_episode_says_so(
    tokenizer_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LeRobotEpisodes, "states", lambda self, episode: np.full((5, 8), np.nan))
    with pytest.raises(DataError, match="none of its 3 episodes can be used; `polymath data inspect` says"):
        prepare([EPISODES], tokenizer_file, LAYOUT, tmp_path / "out", SETTINGS)


def test_all_bad_and_all_alike(tokenizer_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of equal rows the first one stays; of rows that are all bad none, and the card says why."""
    place = tmp_path / "alike"
    place.mkdir()
    pq.write_table(pa.table({"image": [encode_jpeg(noise(1, 32))] * 40, "text": ["one"] * 40}), place / "a.parquet")
    (facts,) = prepare([str(place)], tokenizer_file, LAYOUT, tmp_path / "out", SETTINGS)["sources"].values()
    assert (facts["kept"], facts["dropped"], facts["reasons"]) == (1, 39, {"duplicate": 39})
    monkeypatch.setattr(ParquetPairs, "image", lambda self, row: np.zeros(0)[row])
    with pytest.raises(DataError, match=r"40 of 40 rows are bad, more than 50\.0%"):
        prepare([str(place)], tokenizer_file, LAYOUT, tmp_path / "bad", SETTINGS)
    with pytest.raises(DataError, match="no row was kept"):
        prepare([str(place)], tokenizer_file, LAYOUT, tmp_path / "all", replace(SETTINGS, max_bad_share=1.0))


def test_two_sources_of_one_content_count_their_bad_rows_once_each(
    sources: list[str], tokenizer_file: Path, tmp_path: Path
) -> None:
    """A copy under another folder; one name given twice is refused, see test_places.py."""
    kind, _, place = sources[0].rpartition(":")
    copy = shutil.copytree(place, tmp_path / "copy" / Path(place).name)
    names = [sources[0], f"{kind}:{copy}" if kind else str(copy)]
    summary = prepare(names, tokenizer_file, LAYOUT, tmp_path / "out", SETTINGS)["sources"]
    assert [facts["bad"] for facts in summary.values()] == [2, 2]
    assert len(pq.read_table(tmp_path / "out" / "quarantine.parquet")) == 4


def test_the_error_of_too_many_bad_rows_shows_twenty(tokenizer_file: Path, tmp_path: Path) -> None:
    name = write_pairs(tmp_path / "pairs", [" "] * 100 + ["a good one"])
    with pytest.raises(DataError, match="100 of 101 rows are bad") as caught:
        prepare([name], tokenizer_file, LAYOUT, tmp_path / "out", SETTINGS)
    assert len(str(caught.value).splitlines()) == 1 + 1 + 20 + 1
    assert len(pq.read_table(tmp_path / "out" / "quarantine.parquet")) == 100


def test_the_command_says_what_was_left_out(
    sources: list[str], tokenizer_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of 40 pairs 5 has no text, 3 is damaged, 7 too small, 9 a copy of 8."""
    sizes = [f"{name}={getattr(LAYOUT, name)}" for name in ("length", "image_size", "latents_per_image", "max_images")]
    options = ["--tokenizer", str(tokenizer_file), "--preset", "tiny", "--workers", "1", "--layout", *sizes]
    command = ["data", "prepare", sources[0], "--out", str(tmp_path / "out"), *options, "--set", "max_bad_share=0.5"]
    assert main(command) == 0
    output = capsys.readouterr()
    line = "4 rows left out (10.00%): duplicate 1, instruction 1, picture 1, picture too small 1"
    assert f"{sources[0]}: {line}" in output.out
    assert "quarantine.parquet (bad)" in output.out
    assert output.err == "", "no bar where stderr is no terminal"
