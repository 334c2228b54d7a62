"""`polymath train … --dry-run` says what would happen, from counts; nothing is written."""

import json
from pathlib import Path

import pytest

from polymath.cli import main

SET = Path(__file__).parents[1] / "fixtures" / "data" / "lerobot_v3_image"


def test_a_dry_run_counts_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """16 control steps (5 + 7 + 4) are as many windows; a row of 128 tokens holds one of 75 or so."""
    out = tmp_path / "run"
    train = ["train", "tiny", "--data", str(SET), "--out", str(out), "--set", "robot.rows=2", "robot.steps=40"]
    assert main([*train, "--dry-run", "--json"]) == 0
    assert not out.exists()
    report = json.loads(capsys.readouterr().out)
    (phase,) = report["phases"]
    assert report["layout"]["chunk_length"] == 10
    assert (phase["rows"], phase["documents"]) == (2, 2.0)
    assert list(phase["steps_per_epoch"].values()) == [8.0]
    assert list(phase["epochs"].values()) == [5.0]
    assert phase["flops_per_step"] > 0
    assert main([*train, "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert "nothing was written" in text
    assert "8 steps an epoch, 5.0 epochs" in text
    assert not out.exists()
