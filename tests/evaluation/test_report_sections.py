"""Probes, chains, failures and the page that `polymath eval` leaves: numbers, order, what is left out."""

import re
from dataclasses import replace

import numpy as np
import pytest

from polymath.errors import ConfigError
from polymath.evaluation.benchmark import Benchmark, Published
from polymath.evaluation.episode_log import EpisodeLog
from polymath.evaluation.episode_result import EpisodeResult
from polymath.evaluation.film import failure_path
from polymath.evaluation.identity import Identity
from polymath.evaluation.report import ReportData, render_report
from polymath.evaluation.report.chains import chains, subtasks
from polymath.evaluation.report.evaluation import write_evaluation_report
from polymath.evaluation.report.probes import probes
from polymath.evaluation.results import summarise, update_results
from polymath.evaluation.video import write_mp4
from polymath.policy.session import EpisodeKey
from polymath.types import Embodiment
from polymath.workers.process import WorkerCommand

IDENTITY = Identity("toy", "mine", "run/robot/9", "drawn", 64, ("front",), 2, 55, simulator={"stand_in": "own assets"})
SPLITS = {"seen": ("Seen", "as in training"), "novel": ("Novel", "never")}
ROBOT = Embodiment("toy", 20, ("front",), ("x",), ("dx",), (), 20.0)


def episodes(split, solved, count=40, task="push"):
    """The first `solved` seeds of a split are solved."""
    keys = [EpisodeKey(task, split, seed) for seed in range(count)]
    return {key: EpisodeResult(key, key.seed < solved, 20, 1.0, "push it") for key in keys}


def chain(seed, *solved):
    """One chain of 5: subtask names in order, all solved but the last where there are fewer than 5."""
    measures = {name: 1.0 for name in solved[:-1]} | {solved[-1]: float(len(solved) == 5)}
    key = EpisodeKey("chain", "seen", seed)
    score = len(solved) - (len(solved) < 5)
    return EpisodeResult(key, score == 5, 200, 1.0, "go", float(score), measures | {"path": 0.3})


def data_of(logs, levels=1, **more):
    results: dict = {}
    for policy, log in logs.items():
        for split, entry in summarise(replace(IDENTITY, policy=policy), log.values(), levels).items():
            results.setdefault(split, {})[policy] = entry
    fields = {
        "title": "t",
        "policy": "mine",
        "results": results,
        "splits": SPLITS,
        "source": "toy",
        "success": "it held",
    }
    return ReportData(**{**fields, "episodes": logs, "levels": levels, **more})


def test_drops_are_paired_by_task_and_seed():
    logs = {"mine": episodes("seen", 30) | episodes("novel", 20), "mine-blind": episodes("seen", 2)}
    rows = probes(data_of(logs))
    assert [row["title"] for row in rows] == ["Seen", "Novel", "Blind"]
    assert [row["drop"] for row in rows] == ["", "-25 points", "-70 points"]
    assert rows[1]["pairs"] == "40 pairs"
    # Agresti and Min's interval by hand: 10 of 40 pairs solved in `seen` alone, so (0.5 - 10.5)/42 and
    # 1.96 sqrt(11 - 100/42)/42
    assert rows[1]["drop_interval"] == "-38 to -10"
    assert "ring" not in rows[1]["mark"]
    page = render_report(data_of(logs))
    assert "What was never seen" in page
    assert page.index('id="probes"') < page.index('id="success"')


def test_splits_without_common_seeds_are_compared_as_independent():
    other = {key._replace(seed=key.seed + 1000): result for key, result in episodes("novel", 20).items()}
    assert probes(data_of({"mine": episodes("seen", 30) | other}))[1]["pairs"] == "unpaired"


def test_one_split_without_probes_has_no_section():
    data = data_of({"mine": episodes("seen", 3), "other": episodes("seen", 4)})
    assert probes(data) == []
    assert 'id="probes"' not in render_report(data)


def test_chains_are_ranked_by_average_length_and_name_the_subtasks_that_end_them():
    mine = [
        chain(0, "open", "push", "lift"),
        chain(1, "open", "lift"),
        chain(2, "push", "open", "turn", "lift", "slide"),
    ]
    other = [
        chain(0, "open", "push", "lift", "turn"),
        chain(1, "open", "lift", "turn"),
        chain(2, "push", "open", "turn"),
    ]
    logs = {"mine": {r.key: r for r in mine}, "other": {r.key: r for r in other}}
    published = (
        Published("GR-1", "ABC→D", {"average length": 3.06}, "a paper"),
        Published("X", "D→D", {"a": 1.0}, "b"),
    )
    data = data_of(logs, 5, published=published)
    section = chains(data, {"mine": 0, "other": 1})
    [split] = section["splits"]
    # lengths 2, 1, 5 against 3, 2, 2
    assert [(row["name"], row["value"]) for row in split["rows"]] == [("mine", "2.67"), ("other", "2.33")]
    assert [cell["rate"].rstrip("\u00a0%") for cell in split["rows"][0]["cells"]] == ["100", "67", "33", "33", "33"]
    assert [row["name"] for row in split["published"]] == ["GR-1"]
    assert [(row["name"], row["failures"], row["tries"]) for row in subtasks(data)] == [
        ("lift", "2", "3"),
        ("open", "0", "3"),
        ("push", "0", "2"),
        ("slide", "0", "1"),
        ("turn", "0", "1"),
    ]
    page = render_report(data).replace("\u00a0", " ")
    assert "mine solves 2.67 subtasks in a row on average" in page
    assert page.index('id="chains"') < page.index('id="success"')
    assert page.index("other", page.index('id="chains"')) > 0


def test_success_alone_is_no_chain():
    assert chains(data_of({"mine": episodes("seen", 3)}), {"mine": 0}) is None


@pytest.fixture
def evaluated(tmp_path):
    """A benchmark, and OUT with two policies, a film and a failure of one of them."""
    published = (Published("peer", "toy", {"success rate": 12.0}, "a paper, table 2"),)
    benchmark = Benchmark(
        name="toy", embodiment=ROBOT, tasks=("push",), splits=SPLITS, seeds=range(0, 1000), published=published,
        worker=lambda plan: WorkerCommand("toy", (), plan.python), protocol="toy rules 1",
    )  # fmt: skip
    for name, solved in (("mine", 5), ("random", 1)):
        identity = replace(IDENTITY, policy=name)
        log = EpisodeLog(tmp_path / "episodes" / f"{name}.jsonl", identity)
        # written in another order than that of the benchmark's splits
        for result in (episodes("novel", solved - 1, 8) | episodes("seen", solved, 8)).values():
            log.append(result)
        update_results(tmp_path / "results.json", summarise(identity, log.results.values()))
    frames = np.zeros((4, 16, 16, 3), np.uint8)
    write_mp4(tmp_path / "videos" / "mine" / "push.mp4", frames, 10, "push it", "success after 20 control steps")
    failed = failure_path(tmp_path / "videos" / "mine", EpisodeKey("push", "seen", 6))
    write_mp4(failed, frames, 10, "push it", "no success after 20 control steps")
    return benchmark, tmp_path


def test_the_page_of_an_evaluation(evaluated):
    benchmark, out = evaluated
    write_evaluation_report(benchmark, "random", out, "polymath eval toy --policy random")
    path = write_evaluation_report(benchmark, "mine", out, "polymath eval toy --policy run")
    page = path.read_text()
    assert re.findall(r'<section id="(\w+)"', page) == [
        "probes",
        "success",
        "failures",
        "videos",
        "published",
        "reproduce",
    ]
    assert page.index("<b>push · seen · seed 6</b>") < page.index('id="videos"')
    assert "polymath eval toy --policy run\npolymath eval toy --policy random" in page
    identity = replace(IDENTITY, policy="mine")
    assert identity.hash in page
    assert identity.protocol_hash in page
    assert "Simulator: stand in" in page
    assert "own assets" in page
    assert "a paper, table 2" in page
    assert "toy rules 1" in page
    assert page.index("Seen") < page.index("Novel")
    again = write_evaluation_report(benchmark, "mine", out).read_text()
    assert "polymath eval toy --policy run" in again, "a command that is not known leaves the former one"


def test_commands_that_cannot_be_read_are_one_line(evaluated):
    benchmark, out = evaluated
    (out / "commands.json").write_text("{")
    with pytest.raises(ConfigError, match=r"commands\.json: not JSON"):
        write_evaluation_report(benchmark, "mine", out)
