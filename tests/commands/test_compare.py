"""`polymath compare` on logs with known truth: tables, JSON, the page, and what is refused."""

import json
from dataclasses import replace

import pytest

from polymath.cli import main
from polymath.evaluation.episode_log import EpisodeLog
from polymath.evaluation.episode_result import EpisodeResult
from polymath.evaluation.identity import Identity
from polymath.policy.session import EpisodeKey

IDENTITY = Identity("toy", "a", "", "drawn", 64, ("front",), 2, 55)


@pytest.fixture
def logs(tmp_path):
    """Three policies that solve the first 30, 12 and 10 of 40 episodes, and one with chains of up to 3."""
    paths = {}
    for name, solved in (("good", 30), ("weak", 12), ("worse", 10), ("chains", 0)):
        log = EpisodeLog(tmp_path / "episodes" / f"{name}.jsonl", replace(IDENTITY, policy=name))
        for seed in range(40):
            score = float(seed % 4) if name == "chains" else float(seed < solved)
            log.append(EpisodeResult(EpisodeKey("push", "seen", seed), seed < solved, 20, 1.0, "go", score))
        paths[name] = str(log.path)
    return paths


def test_two_are_a_table_and_a_list(logs, capsys):
    assert main(["compare", logs["good"], logs["weak"], "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    # 18 pairs, all one way: McNemar's p is 2/2^18, and the e-value 2^18/19
    assert row["p_value"] == pytest.approx(2 / 2**18)
    assert row["e_value"] == pytest.approx(2**18 / 19)
    assert row["score"] is None
    assert main(["compare", logs["good"], logs["chains"]]) == 0
    text = capsys.readouterr().out
    assert "mean score A" in text
    assert "see score" in text


def test_three_are_a_leaderboard_and_a_page(logs, tmp_path, capsys):
    page = tmp_path / "board.html"
    three = [logs[name] for name in ("weak", "worse", "good")]
    assert main(["compare", *three, "--html", str(page), "--json"]) == 0
    board = json.loads(capsys.readouterr().out)
    assert [(row["policy"], row["letters"]) for row in board["splits"]["seen"]["standings"]] == [
        ("good", "a"),
        ("weak", "b"),
        ("worse", "b"),
    ]
    assert (board["correction"], len(board["splits"]["seen"]["pairs"])) == ("holm", 3)
    assert "polymath compare" in page.read_text()
    assert main(["compare", str(tmp_path)]) == 0
    assert "chains" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name at least two evaluations"),
        (["good"], "is one evaluation"),
        (["good", "good"], "is named 2 times"),
    ],
)
def test_too_few_are_refused_in_one_line(logs, arguments, message, capsys):
    assert main(["compare", *(logs[name] for name in arguments)]) == 2
    assert message in capsys.readouterr().err
