"""The folders of unfinished work and the count of finished units, by hand."""

from pathlib import Path

from polymath.data.prepare import work
from polymath.data.prepare.plan import Part


def test_a_folder_holds_a_thousand_units(tmp_path: Path) -> None:
    paths = [work.work_file(tmp_path, Part(3, number, 0, 1), "rows.parquet") for number in (0, 999, 1000, 183_105)]
    assert [str(path.relative_to(tmp_path / ".work")) for path in paths] == [
        "03/0000/000000.rows.parquet",
        "03/0000/000999.rows.parquet",
        "03/0001/001000.rows.parquet",
        "03/0183/183105.rows.parquet",
    ]
    assert work.late_file(tmp_path, 3, 183).parent == paths[3].parent


def test_finished_units_are_counted_by_the_size_of_one_file_a_process(tmp_path: Path) -> None:
    work.begin_count(tmp_path, "documents")
    assert work.count(tmp_path, "documents") == 0
    for _ in range(5):
        work.count_one(tmp_path, "documents")
    (tmp_path / ".work" / "finished" / "documents" / "other-1").write_bytes(b"...")
    assert work.count(tmp_path, "documents") == 8
    assert len(list((tmp_path / ".work" / "finished" / "documents").iterdir())) == 2
    work.begin_count(tmp_path, "documents")
    assert work.count(tmp_path, "documents") == 0
