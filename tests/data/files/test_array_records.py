"""Reading more ArrayRecord files than a process may keep open; the files are written by the library itself."""

import os
from pathlib import Path

from polymath.data.files import array_records


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_few_files_stay_open_however_many_are_read(tmp_path: Path) -> None:
    from array_record.python.array_record_module import ArrayRecordWriter

    paths = [tmp_path / f"{number:03d}.array_record" for number in range(3 * array_records.OPEN_FILES)]
    for number, path in enumerate(paths):
        writer = ArrayRecordWriter(str(path), "group_size:1")
        writer.write(str(number).encode())
        writer.close()
    before = open_files()
    for _ in range(2):
        for number, path in enumerate(paths):
            assert array_records.Record(path, 0).read() == str(number).encode()
    assert array_records.reader(paths[-1]) is array_records.reader(paths[-1]), "is kept open"
    assert open_files() - before <= array_records.OPEN_FILES
