"""The whole way, from recording to the report, at the smallest size; then again, which must run nothing."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import transfer
from polymath.cli import main
from polymath.demo import DemoSettings, run_demo, schedule
from polymath.demo.settings import NO_LANGUAGE, POLICY, PROPRIOCEPTION, RANDOM
from polymath.errors import ConfigError, PolymathError
from polymath.training.beginning import read
from polymath.training.run import open_run

SMALL = DemoSettings(preset="tiny", tasks=("reach-left", "reach-right"), episodes=2, pairs=24, eval_episodes=1)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demo") / "run"
    run_demo(out, SMALL)
    return out


def test_results_hold_every_split_and_policy(finished: Path) -> None:
    results = json.loads((finished / "results.json").read_text())
    assert list(results) == ["seen", "novel_objects", "novel_environments"]
    for entries in results.values():
        assert set(entries) == {POLICY, PROPRIOCEPTION, NO_LANGUAGE, RANDOM}
        assert all(entry["episodes"] == 2 for entry in entries.values())


def test_the_report_is_one_page_with_the_commands_and_the_stages(finished: Path) -> None:
    page = (finished / "report.html").read_text()
    assert "polymath record metaworld --tasks reach-left reach-right" in page
    assert "Scripted-expert demonstrations on Meta-World" in page
    assert "data:video/mp4;base64," in page


def test_a_baseline_that_sees_starts_from_the_policys_alignment(finished: Path) -> None:
    assert open_run(finished / PROPRIOCEPTION).recipe.ablation.blank_images
    assert open_run(finished / NO_LANGUAGE).recipe.ablation.blank_instruction
    assert not (finished / NO_LANGUAGE / "checkpoints" / "alignment").exists()


def test_a_finished_demo_runs_nothing_again(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(command: object, *_: object) -> None:
        raise AssertionError(f"ran again: {command}")

    monkeypatch.setattr(schedule, "Running", fail)
    run_demo(finished, SMALL)


def test_the_curve_of_what_its_alignment_is_worth(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """benchmarks/transfer.py on the demo's recordings; its commands run here, where programs are compiled already."""
    commands: list[tuple[str, ...]] = []

    def run(command: tuple[str, ...], cache: Path) -> float:
        commands.append(command)
        assert main(list(command)) == 0, capsys.readouterr().err
        return 1.0

    monkeypatch.setattr(transfer, "run", run)
    small = ["--demonstrations", "1", "--episodes", "1", "--splits", "seen", "--steps", "1"]
    call = ["--demo", str(finished), "--out", str(tmp_path / "out"), *small, "--starts", "public"]
    assert transfer.main(call) == 0
    assert transfer.main(call) == 0, "a second call finds everything done"
    assert [command[0] for command in commands] == ["train", "eval"]
    assert len((tmp_path / "out" / "episodes-1.txt").read_text().splitlines()) == 2  # one of each task

    public = read(tmp_path / "out" / "public-1")
    assert public is not None
    assert set(public.published) == {"vit", "decoder"}
    report = json.loads((tmp_path / "out" / "transfer.json").read_text())
    assert [(row["start"], row["seen"]["episodes"]) for row in report["points"]] == [("public", 2)]
    ElementTree.parse(tmp_path / "out" / "transfer.svg")
    assert transfer.main([*call, "--seed", "1"]) == 2
    assert "settings.json: seed is 0 there, now 1; choose another --out" in capsys.readouterr().err


def test_a_demo_of_other_settings_is_refused(finished: Path) -> None:
    with pytest.raises(ConfigError, match=r"settings\.episodes is 2 there, but 90 is asked for"):
        run_demo(finished, DemoSettings(preset="tiny", tasks=SMALL.tasks, pairs=24, eval_episodes=1))


def test_a_failing_stage_names_the_command_and_is_not_recorded(tmp_path: Path) -> None:
    settings = DemoSettings(preset="tiny", tasks=("reach-left",), episodes=1, pairs=1, eval_episodes=1)
    (tmp_path / "demonstrations").mkdir()  # in the way of the recording
    with pytest.raises(PolymathError, match=r"polymath record metaworld .* ended with status 2"):
        run_demo(tmp_path, settings)
    assert not (tmp_path / "demo.json").exists()
