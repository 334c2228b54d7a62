"""The benchmark of the loader against a GPU's need, with two short episodes."""

import json

import pytest

from benchmarks import feed
from polymath.planning.estimate import estimate
from polymath.planning.request import Request, prepare
from polymath.presets import preset


def test_both_codecs_against_the_planned_step(capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--size", "64", "--episodes", "2", "--steps", "20", "--seconds", "0.1", "--cores", "1", "--json"]
    assert feed.main(["--cards", "rtx4090", *small]) == 0
    report = json.loads(capsys.readouterr().out)
    _, plan = prepare(preset("polymath_v_600m"), Request("rtx4090:1"))
    step = report["step_seconds"]["rtx4090"]
    assert step == pytest.approx(estimate(plan)["step_seconds"], rel=0.02)  # another width of action, another chunk
    assert list(report["rates"]) == ["h264", "av1"]
    for rate in report["rates"].values():
        need = rate["windows_a_step"] * 2 / step  # two cameras
        assert rate["need_of_rtx4090"] == pytest.approx(need)
        assert rate["times_the_need_of_rtx4090"] == pytest.approx(rate["images_a_second"] / need)
    table = feed.shown(report)
    assert "| video | images/s | on the clock | need of rtx4090 | times |" in table
    assert "1 cores of" in table


def test_a_machine_that_had_other_work_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    rate = {"windows_a_step": 32.0, "images_a_second": 100.0, "images_a_second_on_the_clock": 20.0, "cores_busy": 0.4}
    report = {"preset": "demo", "stored_pixels": 64, "processor": "P", "cores": 2, "load": [9.0, 8.0]}
    shown = feed.shown({**report, "step_seconds": {}, "rates": {"h264": rate}})
    assert "2 cores of P, load 8.0 to 9.0; the machine was loaded: 0.4 of them were to be had" in shown
