"""In which order the loop dispatches, fetches and reads, and what it does not do at all."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.training.toy_steps import fresh_state, phase, toy_step

from polymath.presets.demo import TINY
from polymath.training import loop
from polymath.training.checkpoint_choice import steps_in
from polymath.training.checkpoints import Checkpoints
from polymath.training.run import DataRecord, Run
from polymath.training.step import State


class Noted:
    """A number that says when it is read, as an array on a device makes its reader wait."""

    def __init__(self, value: Any, events: list[str], name: str) -> None:
        self._value, self._events, self._name = value, events, name

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        if self._name not in self._events:
            self._events.append(self._name)
        return np.asarray(self._value)


class Batches:
    """Stands for the loader; notes what is fetched."""

    batch_rows = 4

    def __init__(self, events: list[str]) -> None:
        self._events = events

    def iterate(self, start: int = 0, rows: Sequence[int] | None = None) -> Iterator[Any]:
        for number in range(start, 1_000):
            self._events.append(f"fetch {number + 1}")
            yield np.zeros(1)


def toy_run(path: Path, steps: int) -> Run:
    recipe = replace(TINY, alignment=replace(phase(steps, 1_000), pairs=1.0, robot=0.0))
    return Run(path, recipe, None, None, None, DataRecord((), ()))  # type: ignore[arg-type]


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the loop does with a toy step, in its order."""
    noted: list[str] = []

    def step(state: State, _: Any) -> tuple[State, dict[str, Any]]:
        number = int(state.step) + 1
        noted.append(f"dispatch {number}")
        state, values = toy_step(state, 1.0)
        return state, {name: Noted(value, noted, f"read {number}") for name, value in values.items()}

    monkeypatch.setattr(loop, "make_step", lambda *_: step)
    monkeypatch.setattr(loop, "state_on_mesh", lambda *_: fresh_state())
    return noted


def test_a_step_is_dispatched_before_its_successors_batch_is_fetched_and_read_when_it_is_over(
    events: list[str], tmp_path: Path
) -> None:
    """So the device computes a step while the loader is waited for. The first step is saved, hence read at once."""
    loop.train_phase(toy_run(tmp_path, 4), "alignment", Batches(events), lambda: None)  # type: ignore[arg-type]
    assert events == [
        *("fetch 1", "dispatch 1", "read 1"),
        *("fetch 2", "dispatch 2"),
        *("fetch 3", "dispatch 3", "read 2"),
        *("fetch 4", "dispatch 4", "read 3", "read 4"),
    ]


def test_the_start_is_called_where_there_is_no_checkpoint_alone(events: list[str], tmp_path: Path) -> None:
    calls: list[str] = []
    start = lambda: calls.append("start")  # noqa: E731
    loop.train_phase(toy_run(tmp_path, 3), "alignment", Batches(events), start)  # type: ignore[arg-type]
    assert calls == ["start"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "abstract_state", lambda *_: loop.jax.eval_shape(fresh_state))
        loop.train_phase(toy_run(tmp_path, 5), "alignment", Batches(events), start)  # type: ignore[arg-type]
    assert calls == ["start"]
    assert max(steps_in(tmp_path / "checkpoints" / "alignment")) == 5


def test_a_finished_phase_is_not_even_read(events: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = toy_run(tmp_path, 3)
    loop.train_phase(run, "alignment", Batches(events), lambda: None)  # type: ignore[arg-type]
    before = list(events)

    def read(*_: Any) -> None:
        raise AssertionError("a finished phase was restored")

    monkeypatch.setattr(Checkpoints, "restore", read)
    loop.train_phase(run, "alignment", Batches(events), read)  # type: ignore[arg-type]
    assert events == before
