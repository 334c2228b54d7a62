"""Where a preparation may write, what it may read, and who else may: each mistake is one line that says what to do."""

import shutil
import subprocess
from pathlib import Path

import pytest

from polymath.data.prepare import pipeline
from polymath.data.prepare.pipeline import prepare
from polymath.data.prepare.sources import check_unchanged, fingerprint, remember, sole_use
from polymath.errors import ConfigError

from .conftest import LAYOUT
from .test_bad_rows import write_pairs
from .test_pipeline import SETTINGS, digests

TEXTS = [f"picture number {i}" for i in range(40)]


@pytest.mark.parametrize("place", [".", "prepared", "deeper/prepared"])
def test_a_directory_in_a_source_is_refused(place: str, tokenizer_file: Path, tmp_path: Path) -> None:
    """Its Parquet files would be read as pairs by the next process that opens the source."""
    name = write_pairs(tmp_path / "pairs", TEXTS)
    (tmp_path / "link").symlink_to(tmp_path / "pairs")
    for source in (name, f"parquet:{tmp_path / 'link'}"):
        with pytest.raises(ConfigError, match=r"--out .*: lies in the source .*; choose a directory outside of it"):
            prepare([source], tokenizer_file, LAYOUT, tmp_path / "pairs" / place, SETTINGS)
    assert [path.name for path in (tmp_path / "pairs").rglob("*")] == ["a.parquet"]


def test_two_preparations_at_once_are_refused(sources: list[str], tokenizer_file: Path, tmp_path: Path) -> None:
    with (
        sole_use(tmp_path / "out"),
        pytest.raises(ConfigError, match="another `polymath data prepare` is writing there; wait until it ends"),
    ):
        prepare(sources[:1], tokenizer_file, LAYOUT, tmp_path / "out", SETTINGS)
    with sole_use(tmp_path / "out"):
        pass


def test_a_place_that_is_a_file(sources: list[str], tokenizer_file: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    for place in (tmp_path / "out", tmp_path / "out" / "below"):
        with pytest.raises(ConfigError, match=r"cannot be made or opened \(.*\); choose another --out"):
            prepare(sources[:1], tokenizer_file, LAYOUT, place, SETTINGS)


def test_a_place_that_can_only_be_read(
    sources: list[str], tokenizer_file: Path, small_disk: Path, tmp_path: Path
) -> None:
    """A mounted file system; the finished set on it is still described."""
    prepare(sources[1:2], tokenizer_file, LAYOUT, small_disk / "out", SETTINGS)
    (small_disk / "new").mkdir()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(ConfigError, match="is not writable; choose another --out"):
        prepare(sources[1:2], tokenizer_file, LAYOUT, small_disk / "new", SETTINGS)
    assert prepare(sources[1:2], tokenizer_file, LAYOUT, small_disk / "out", SETTINGS)["sources"]


class Stop(Exception):
    pass


def interrupt(*_: object) -> None:
    raise Stop


@pytest.mark.parametrize("stage", ["finish", "quarantine.write", "duplicates.write_late_rows"])
def test_sources_that_changed_between_two_runs_are_refused(
    stage: str, tokenizer_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else half of the shards would be of the old files, or rows would be read past the end of the new ones."""
    name, out = write_pairs(tmp_path / "pairs", TEXTS), tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(f"{pipeline.__name__}.{stage}", interrupt)
        with pytest.raises(Stop):
            prepare([name], tokenizer_file, LAYOUT, out, SETTINGS)
    stopped = shutil.copytree(out, tmp_path / "stopped")
    shutil.rmtree(name)
    write_pairs(tmp_path / "pairs", TEXTS[:-1])
    with pytest.raises(ConfigError, match=r"pairs: its files changed since this preparation began; remove .*out and"):
        prepare([name], tokenizer_file, LAYOUT, out, SETTINGS)
    with monkeypatch.context() as patch:  # files whose times and sizes say nothing
        patch.setattr(f"{pipeline.__name__}.sources.check_unchanged", lambda *_: None)
        if stage == "quarantine.write":
            shutil.rmtree(stopped / ".work" / "00")
            with pytest.raises(ConfigError, match="has 39 rows, 40 when this preparation began"):
                prepare([name], tokenizer_file, LAYOUT, stopped, SETTINGS)


def test_a_finished_set_does_not_look_at_its_sources_again(tokenizer_file: Path, tmp_path: Path) -> None:
    name = write_pairs(tmp_path / "pairs", TEXTS)
    first = prepare([name], tokenizer_file, LAYOUT, tmp_path / "out", SETTINGS)
    (tmp_path / "pairs" / "more").write_text("")
    before = digests(tmp_path / "out")
    assert prepare([name], tokenizer_file, LAYOUT, tmp_path / "out", SETTINGS) == first
    assert digests(tmp_path / "out") == before


def test_a_fingerprint_sees_added_and_touched_files(tmp_path: Path) -> None:
    name = write_pairs(tmp_path / "pairs", TEXTS)
    first = fingerprint(name)
    assert fingerprint(f"parquet:{name}") == first
    (tmp_path / "pairs" / "gone").symlink_to(tmp_path / "nowhere")
    assert fingerprint(name) == first
    (tmp_path / "pairs" / "b.txt").write_text("")
    assert fingerprint(name) != first
    remember(tmp_path / "out", [name])
    check_unchanged(tmp_path / "out", [name])
    with pytest.raises(ConfigError, match="no such file; remove"):
        check_unchanged(tmp_path / "other", [name])


@pytest.mark.parametrize("folder", ["日本語 и ещё", "näme\u2028x", "x" * 200])
def test_names_in_any_script(folder: str, tokenizer_file: Path, tmp_path: Path) -> None:
    name = write_pairs(tmp_path / "any" / folder, TEXTS)
    (facts,) = prepare([name], tokenizer_file, LAYOUT, tmp_path / folder, SETTINGS)["sources"].values()
    assert (facts["name"], facts["kept"]) == (name, 40)


@pytest.mark.parametrize("second", ["{}", "parquet:{}", "{}/.", "{}/../link"])
def test_a_source_named_twice_is_refused(second: str, tokenizer_file: Path, tmp_path: Path) -> None:
    name = write_pairs(tmp_path / "pairs", TEXTS)
    (tmp_path / "link").symlink_to(tmp_path / "pairs")
    with pytest.raises(ConfigError, match=r"is named twice; name it once, .*\?weight=2"):
        prepare([name, second.format(name)], tokenizer_file, LAYOUT, tmp_path / "out", SETTINGS)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("workers", [0, -3])
def test_no_workers_are_refused(workers: int, tokenizer_file: Path, tmp_path: Path) -> None:
    name = write_pairs(tmp_path / "pairs", TEXTS)
    with pytest.raises(ConfigError, match=f"--workers {workers}: must be 1 or more"):
        prepare([name], tokenizer_file, LAYOUT, tmp_path / "out", SETTINGS, workers=workers)
