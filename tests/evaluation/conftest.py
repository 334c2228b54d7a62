"""Workers for the tests of this folder."""

from pathlib import Path

import pytest

from polymath.evaluation.workers import WorkerCommand


@pytest.fixture
def point_worker(monkeypatch):
    """`point_worker(slots, fault)` is the command that starts the toy simulator's worker."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=":")
    return lambda slots=1, fault="": WorkerCommand("point_worker", (str(slots), fault))
