"""Which stages run side by side, on which cores, with commands that take a moment and learn nothing."""

import os
from pathlib import Path

import pytest

from polymath.demo import schedule
from polymath.demo.processes import Usage
from polymath.demo.schedule import run_stages
from polymath.demo.settings import DemoSettings
from polymath.demo.stages import Stage, stages
from polymath.errors import PolymathError

PRESETS = ("presets", "--json")


def stage(name: str, *needs: str, all_cores: bool = False, command: tuple[str, ...] = PRESETS) -> Stage:
    return Stage(name, name, command, needs, all_cores)


def run(todo: list[Stage], tmp_path: Path, finished: tuple[str, ...] = ()) -> list[str]:
    """What began and ended, in order."""
    events: list[str] = []
    run_stages(
        todo,
        finished,
        tmp_path / "programs",
        lambda stage: events.append(f"+{stage.name}"),
        lambda stage, usage, peak: events.append(f"-{stage.name}"),
    )
    return events


class Instant:
    """In place of a process: ends when it is looked at for the second time."""

    def __init__(self, command: tuple[str, ...], cores: frozenset[int], cache: Path) -> None:
        self.cores, self._looks = cores, 0

    def usage(self) -> Usage | None:
        self._looks += 1
        return Usage(0.0, 0.0, 0) if self._looks > 1 else None

    def sample_memory(self) -> int:
        return 0


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "Running", Instant)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {2, 5})


@pytest.mark.usefixtures("two_cores")
def test_stages_of_half_the_cores_run_two_at_a_time(tmp_path: Path) -> None:
    todo = [stage("first", all_cores=True), stage("a", "first"), stage("b", "first"), stage("c", "first")]
    assert run(todo, tmp_path) == ["+first", "-first", "+a", "+b", "-a", "-b", "+c", "-c"]


@pytest.mark.usefixtures("two_cores")
def test_a_stage_waits_for_what_it_needs_and_for_all_cores(tmp_path: Path) -> None:
    todo = [stage("a"), stage("whole", all_cores=True), stage("after a", "a")]
    assert run(todo, tmp_path) == ["+a", "-a", "+whole", "-whole", "+after a", "-after a"]
    assert run(todo, tmp_path, finished=("a", "whole")) == ["+after a", "-after a"]


def test_every_stage_of_the_demo_needs_only_earlier_ones() -> None:
    todo = stages(DemoSettings(), Path("out"))
    for i, later in enumerate(todo):
        assert set(later.needs) <= {earlier.name for earlier in todo[:i]}


def test_a_command_that_fails_stops_the_others_and_is_named(tmp_path: Path) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two cores")
    long = ("record", "captions", "--pairs", "100000", "--workers", "1", "--out", str(tmp_path / "pairs"))
    todo = [stage("long", command=long), stage("bad", command=("tokenizer", "encode", "absent.json", "text"))]
    with pytest.raises(PolymathError, match=r"`polymath tokenizer encode absent.json text` ended with status 2"):
        run(todo, tmp_path)
    assert list(tmp_path.glob("*pairs*")) == [], "the recording was stopped and took its half-written shards along"
