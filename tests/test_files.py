"""Nothing half-written is left behind: whatever happens inside the block, the target is whole or absent."""

import errno
import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from polymath.errors import ConfigError, PolymathError
from polymath.files import atomic_directory, atomic_write, disk_errors

Writing = Callable[[Path], AbstractContextManager[Path]]


def test_directory_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "episodes"
    with atomic_directory(target) as temporary:
        (temporary / "a").write_text("1")
        assert temporary.parent == target.parent, "a sibling: os.replace must not cross a file system"
        assert not target.exists()
    assert [p.name for p in target.iterdir()] == ["a"]
    assert [p.name for p in target.parent.iterdir()] == ["episodes"]


@pytest.mark.parametrize("raised", [ValueError, KeyboardInterrupt])
def test_directory_vanishes_on_any_exception(tmp_path: Path, raised: type[BaseException]) -> None:
    with pytest.raises(raised), atomic_directory(tmp_path / "episodes") as temporary:
        (temporary / "deep").mkdir()
        (temporary / "deep" / "a").write_text("1")
        raise raised
    assert list(tmp_path.iterdir()) == []


def test_directory_that_exists_is_refused_and_kept(tmp_path: Path) -> None:
    target = tmp_path / "episodes"
    target.mkdir()
    (target / "old").write_text("precious")
    complaint = pytest.raises(PolymathError, match=r"episodes exists already: choose another directory or remove it")
    with complaint, atomic_directory(target):
        pytest.fail("the block must not run")
    assert (target / "old").read_text() == "precious"


@pytest.mark.parametrize("writing", [atomic_directory, atomic_write])
def test_an_object_store_is_refused(writing: Writing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with (
        pytest.raises(ConfigError, match=r"s3:/bucket/sheet.png: an object store"),
        writing(Path("s3://bucket/sheet.png")),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_file_is_replaced_only_on_success(tmp_path: Path) -> None:
    target = tmp_path / "config.json"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_write(target) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    with atomic_write(target) as temporary:
        temporary.write_text("new")
    assert target.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["config.json"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_names_the_path_and_the_remedy(tmp_path: Path, number: int) -> None:
    target = tmp_path / "not" / "yet" / "there"
    complaint = pytest.raises(PolymathError, match=r"there: the disk is full \(.* MB free\).*free some space")
    with complaint, disk_errors(target):
        raise OSError(number, "no space")


def test_other_os_errors_pass(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), disk_errors(tmp_path):
        raise PermissionError(errno.EACCES, "no")


def test_a_disk_that_is_really_full(small_disk: Path) -> None:
    """On a 1 MiB tmpfs: the error is the clean one, and the space is given back."""
    target = small_disk / "shard.tar"
    with pytest.raises(PolymathError, match="the disk is full"), atomic_write(target) as temporary:
        temporary.write_bytes(bytes(4 << 20))
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("writing", [atomic_write, atomic_directory])
def test_places_where_nothing_can_stand(
    tmp_path: Path, writing: Callable[[Path], AbstractContextManager[Path]]
) -> None:
    (tmp_path / "file").write_text("kept")
    for path in (tmp_path / "file" / "new", tmp_path / "file" / "deep" / "new", tmp_path):
        with pytest.raises(PolymathError, match=re.escape(str(path))), writing(path):
            pytest.fail("nothing can be written there")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    with pytest.raises(PolymathError), writing(Path()):
        pytest.fail("the working directory is no file")


def test_a_place_where_nothing_can_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", lambda path, **options: refuse(path) if path.name.endswith("partial") else None)
    complaint = pytest.raises(PolymathError, match=r"run: cannot be written \(Permission denied\); choose a place")
    with complaint, atomic_directory(tmp_path / "run"):
        pass


def test_modes_follow_the_umask(tmp_path: Path) -> None:
    former = os.umask(0o027)
    try:
        with atomic_directory(tmp_path / "run") as place:
            (place / "file").write_text("x")
    finally:
        os.umask(former)
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o750
