"""Rows that cannot be read: which row stands in for one, what is listed, and when it is too many."""

import json
from dataclasses import dataclass, field
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import pytest

from polymath.data.loading.loader import Loader, Source
from polymath.data.loading.stand_ins import EPOCHS, StandIns
from polymath.data.sequences.interleaved import interleaved
from polymath.data.sequences.sequence import Document, Layout
from polymath.errors import DataError
from polymath.tokenizer import ControlTokens

LAYOUT = Layout(length=8, latents_per_image=2, image_size=8, max_images=1, max_control_steps=1)
ROWS, CONTROL = 10, ControlTokens(512, first=1000)


@dataclass
class Stream:
    """`ROWS` rows an epoch of one token each: row k holds the token k. Those of `damaged` cannot be read."""

    damaged: frozenset[int] = frozenset()
    name: str = "stream"
    identity: str = "stream"
    asked: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return ROWS

    def row(self, key: tuple[int, int], k: int) -> list[Document]:
        self.asked.append(k)
        if k in self.damaged:
            raise DataError(f"shard-0: record {k % ROWS}: cannot be read", "checksum")
        return [interleaved(LAYOUT, CONTROL, [[k]])]


def tokens(stream: Stream, stand_ins: StandIns | None, steps: int) -> list[list[int]]:
    loader = Loader([Source(stream)], LAYOUT, batch_rows=4, seed=0, stand_ins=stand_ins)
    return [loader.batch(step).tokens[:, 1].tolist() for step in range(steps)]


def test_the_same_place_of_the_next_epoch_stands_in(tmp_path: Path) -> None:
    whole = tokens(Stream(), None, 2)
    assert whole == [[0, 1, 2, 3], [4, 5, 6, 7]]
    quarantine = tmp_path / "quarantine" / "robot.jsonl"
    assert tokens(Stream(frozenset({5, 6, 16})), StandIns(quarantine), 2) == [[0, 1, 2, 3], [4, 15, 26, 7]]
    faults = [json.loads(line) for line in quarantine.read_text().splitlines()]
    assert faults == [
        {"source": "stream", "row": 5, "kind": "checksum", "reason": "shard-0: record 5: cannot be read"},
        {"source": "stream", "row": 6, "kind": "checksum", "reason": "shard-0: record 6: cannot be read"},
    ], "row 16 is record 6 once more"


def test_nothing_is_written_while_everything_can_be_read(tmp_path: Path) -> None:
    tokens(Stream(), StandIns(tmp_path / "quarantine" / "robot.jsonl"), 3)
    assert not list(tmp_path.iterdir())


def test_a_loader_without_them_raises() -> None:
    with pytest.raises(DataError, match="record 5"):
        tokens(Stream(frozenset({5})), None, 2)


def test_a_record_that_is_in_every_epoch_ends_the_run(tmp_path: Path) -> None:
    stream = Stream(frozenset(range(5, 1000, ROWS)))
    with pytest.raises(DataError, match=rf"record 5: cannot be read; {EPOCHS} rows .* cannot be read either"):
        tokens(stream, StandIns(tmp_path / "faults.jsonl"), 2)
    assert stream.asked.count(5) == 1
    assert max(stream.asked) == 5 + EPOCHS * ROWS


def test_too_many_faults_name_the_file_and_the_last_one(tmp_path: Path) -> None:
    path = tmp_path / "faults.jsonl"
    with pytest.raises(DataError, match=r"faults\.jsonl: more than 2 records could not be read.* record 3:.* mend"):
        tokens(Stream(frozenset({1, 2, 3})), StandIns(path, most=2), 1)
    assert len(path.read_text().splitlines()) == 3


def test_one_fault_that_spoils_a_file_ends_the_run(tmp_path: Path) -> None:
    """Every second row, always with the same message: the third replaced one is more than two and than a twentieth."""

    class Half(Stream):
        def row(self, key: tuple[int, int], k: int) -> list[Document]:
            if k % 2 and k < ROWS:
                raise DataError("episode-1.mp4: cannot be read", "truncated")
            return super().row(key, k)

    path = tmp_path / "faults.jsonl"
    with pytest.raises(DataError, match=r"3 of 6 rows could not be read, the last one: episode-1\.mp4.*\?episodes="):
        tokens(Half(), StandIns(path, most=2), 2)
    assert len(path.read_text().splitlines()) == 1


def test_a_worker_process_can_have_them(tmp_path: Path) -> None:
    loader = Loader([Source(Stream(frozenset({5})))], LAYOUT, 4, 0, StandIns(tmp_path / "faults.jsonl"))
    assert ForkingPickler.dumps(loader), "what grain sends to its processes"
