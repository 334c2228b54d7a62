"""`polymath plan` as a user meets it: tables, JSON, the page, errors."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from polymath.cli import main
from polymath.planning.pictures import memory_bar, timeline

REFERENCE = ["plan", "polymath_v_30b", "--topology", "v4:8x8x8", "--images", "4"]


def answered(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    assert main([*REFERENCE, *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The keys that scripts read; the search's winner is what is estimated; the page holds both."""
    page = tmp_path / "plan.html"
    report = answered(capsys, "--search", "--price", "2", "--html", str(page), "--top", "3")
    assert {"devices", "fits", "step_seconds", "mfu", "hfu", "tokens_per_step", "days_per_trillion_tokens"} <= set(
        report
    )
    assert report["step_seconds"] == report["search"]["plans"][0]["step_seconds"]
    assert len(report["search"]["plans"]) == 3
    text = page.read_text()
    assert "days per 10" in text
    assert "out of memory" in text
    assert_well_formed(text)
    assert "src=" not in text, "nothing is loaded from elsewhere"


def test_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*REFERENCE, "--remat", "full"]) == 0
    shown = capsys.readouterr().out
    for part in ("fits", "MFU %", "master weights", "layers' gradients", "FLOPs of a step", "checkpoint"):
        assert part in shown
    assert main([*REFERENCE, "--remat", "none", "--accumulation", "1"]) == 0
    assert "DOES NOT FIT" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--topology", "v7:2x2x2"], "known: v4, v5p, v5e, v6e, h100, h200, b200, a100, a100_40gb, rtx3090, rtx4090"),
        (["--mesh", "1,2,3"], "makes 6 devices, but v4:8x8x8 has 512"),
        (["--days", "0"], "--days must be above 0"),
        (["--topology", "v5e:4x4", "--search", "--remat", "none"], "no plan fits v5e:4x4 (out of memory"),
    ],
)
def test_bad_input(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*REFERENCE, *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_the_pictures_add_up(capsys: pytest.CaptureFixture[str]) -> None:
    report = answered(capsys, "--remat", "full")
    bar, line = memory_bar(report["memory"]), timeline(report, "middle")
    assert [key.name for key in bar.keys] == list(report["memory"]["categories"])
    assert bar.svg.count("<rect") == len(bar.keys)
    seconds = sum(float(key.value.split()[0]) for key in line.keys[:4])
    assert seconds == pytest.approx(report["step_seconds"], abs=0.03)


def assert_well_formed(text: str) -> None:
    """Every element that is opened is closed, in order."""
    opened: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag not in ("meta", "br", "line", "rect"):
                opened.append(tag)

        def handle_endtag(self, tag: str) -> None:
            if tag not in ("line", "rect"):
                assert opened.pop() == tag

    Reader().feed(text)
    assert opened == []
