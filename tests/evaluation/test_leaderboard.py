"""Leaderboards: order, groups, correction, odd inputs, and the page."""

import re
from dataclasses import replace

import numpy as np
import pytest

from polymath.errors import ConfigError, DataError, PolymathError
from polymath.evaluation.benchmark import Published
from polymath.evaluation.comparison import compare
from polymath.evaluation.episode_log import EpisodeLog
from polymath.evaluation.episode_result import EpisodeResult
from polymath.evaluation.identity import Identity
from polymath.evaluation.leaderboard import leaderboard
from polymath.evaluation.log_files import Log, read_logs
from polymath.evaluation.report.leaderboard import render_leaderboard
from polymath.policy.session import EpisodeKey

IDENTITY = Identity("metaworld", "a", "run/robot/9", "mujoco-3.3.0/ray", 64, ("front",), 2, 55)
PUBLISHED = (Published("GR-1", "ABC→D", {"1 in a row": 85.4, "average length": 3.06}, "a <paper>"),)


def log_of(name, scores, levels=1, split="seen", first=0):
    """One episode per score; the episode is a success if it reaches `levels`."""
    keys = [EpisodeKey("push", split, seed) for seed in range(first, first + len(scores))]
    episodes = {
        key: EpisodeResult(key, bool(score >= levels), 20, 1.0, "push it", float(score))
        for key, score in zip(keys, scores, strict=True)
    }
    return Log(name, f"{name}.jsonl", replace(IDENTITY, policy=name), episodes)


def solved(name, count, episodes=40, **more):
    return log_of(name, [1] * count + [0] * (episodes - count), **more)


def test_the_best_stands_first_and_shares_letters_with_those_that_chance_may_explain():
    [board] = leaderboard([solved("weak", 4), solved("best", 30), solved("good", 26)])
    assert [s.policy for s in board.standings] == ["best", "good", "weak"]
    assert [s.letters for s in board.standings] == ["a", "a", "b"]
    pairs = {(p.first, p.second): p for p in board.pairs}
    # McNemar by hand: all successes of the weaker are successes of the better, so 4, 26, 22 discordant pairs, one way
    assert pairs[0, 1].p_value == pytest.approx(2 / 2**4)
    assert pairs[0, 2].p_value == pytest.approx(2 / 2**26)
    # Holm by hand: the smallest of three times 3, the middle one times 2, the largest once
    assert pairs[0, 2].p_holm == pytest.approx(3 * 2 / 2**26)
    assert pairs[1, 2].p_holm == pytest.approx(2 * 2 / 2**22)
    assert pairs[0, 1].p_holm == pytest.approx(2 / 2**4)
    assert board.notes == ()


def test_scores_rank_and_test_where_they_say_more_than_success():
    rng = np.random.Generator(np.random.PCG64(0))
    long, short = rng.binomial(5, 0.6, 80), rng.binomial(5, 0.4, 80)
    [board] = leaderboard([log_of("short", short, 5), log_of("long", long, 5)], levels=5)
    best, other = board.standings
    assert (best.policy, best.letters, other.letters) == ("long", "a", "b")
    assert best.score == pytest.approx(long.mean())
    assert best.score_interval[0] < best.score < best.score_interval[1]
    assert [rate.successes for rate in best.reached] == [int((long >= k).sum()) for k in range(1, 6)]
    # the average length is the sum of the rates of at least 1 … 5
    assert sum(rate.rate for rate in best.reached) == pytest.approx(best.score)
    [pair] = board.pairs
    assert pair.comparison.e_value > 20
    assert pair.p_value == pair.comparison.score.p_value < 0.01


def test_episodes_that_only_one_of_them_ran_are_said():
    [board] = leaderboard([solved("a", 30), solved("b", 10, first=100), solved("c", 12, first=20)])
    assert len(board.notes) == 2
    assert board.notes[0].startswith("2 of 3 pairs share no episode")
    assert board.notes[1].startswith("1 of 3 pairs share only some")
    # scipy 1.17.1, fisher_exact([[30, 10], [10, 30]])
    unpaired = next(p for p in board.pairs if not p.comparison.pairs and p.comparison.b.successes == 10)
    assert unpaired.p_value == pytest.approx(1.48748e-5, rel=1e-5)


def test_each_split_has_a_board_and_one_needs_two_policies():
    logs = [solved("a", 3), solved("b", 5, split="novel")]
    with pytest.raises(PolymathError, match="no two evaluations share a split"):
        leaderboard(logs)
    boards = leaderboard([*logs, solved("c", 4)])
    assert [(board.split, len(board.standings)) for board in boards] == [("seen", 2), ("novel", 1)]


def test_under_equality_the_correction_keeps_the_share_of_boards_with_a_false_separation():
    rng = np.random.Generator(np.random.PCG64(1))
    false = 0
    for _ in range(60):
        logs = [log_of(f"p{i}", (rng.random(40) < 0.5).astype(int)) for i in range(4)]
        [board] = leaderboard(logs)
        false += any(pair.separated for pair in board.pairs)
    assert false / 60 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 60)


def test_fifty_policies(tmp_path):
    rng = np.random.Generator(np.random.PCG64(2))
    logs = [log_of(f"p{i}", (rng.random(100) < i / 50).astype(int)) for i in range(50)]
    [board] = leaderboard(logs)
    assert len(board.pairs) == 1225
    page = render_leaderboard(logs, [board], "polymath compare …")
    assert page.count("<circle") == 50


def test_the_page_marks_what_is_published_and_escapes():
    logs = [log_of("<long>", [5, 4, 3, 5], 5), log_of("short", [0, 1, 0, 2], 5)]
    page = render_leaderboard(logs, leaderboard(logs, 5), "polymath compare a b", 5, published=PUBLISHED)
    assert "<long>" not in page
    assert "a &lt;paper&gt;" in page
    assert page.count('class="ring"') == 1
    assert page.count("published</span>") == 2
    assert "3.06" in page
    assert IDENTITY.protocol_hash in page
    assert "<script" not in page
    links = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert all(link.startswith("data:") for link in links)


def write_log(path, identity, episodes=3):
    log = EpisodeLog(path, identity)
    for seed in range(episodes):
        log.append(EpisodeResult(EpisodeKey("push", "seen", seed), seed < 1, 20, 1.0, "push it"))
    return path


def test_two_policies_of_one_name_are_told_apart_by_their_paths(tmp_path):
    paths = [write_log(tmp_path / seed / "evaluation" / "episodes" / "p.jsonl", IDENTITY) for seed in ("s0", "s1")]
    other = write_log(tmp_path / "q.jsonl", replace(IDENTITY, policy="q"))
    labels = [log.label for log in read_logs([*paths, other])]
    assert labels == ["a (s0)", "a (s1)", "q"]
    copies = [write_log(tmp_path / f"{name}.jsonl", IDENTITY) for name in ("x", "y", "z")]
    assert [log.label for log in read_logs(copies)] == ["a (x)", "a (y)", "a (z)"]


def test_a_directory_of_many_logs_is_a_leaderboard(tmp_path):
    for name in ("a", "b", "c"):
        write_log(tmp_path / "episodes" / f"{name}.jsonl", replace(IDENTITY, policy=name))
    assert [log.label for log in read_logs([tmp_path])] == ["a", "b", "c"]


def test_logs_that_cannot_be_compared_are_named(tmp_path):
    a = write_log(tmp_path / "a.jsonl", IDENTITY)
    with pytest.raises(ConfigError, match=r"a\.jsonl is named 2 times"):
        read_logs([a, tmp_path / "." / "a.jsonl"])
    empty = write_log(tmp_path / "empty.jsonl", replace(IDENTITY, policy="empty"), episodes=0)
    with pytest.raises(DataError, match="holds no finished episode"):
        read_logs([a, empty])
    far = write_log(tmp_path / "far.jsonl", replace(IDENTITY, policy="far", max_steps=99))
    with pytest.raises(ConfigError, match="max_steps"):
        read_logs([a, far])
    with pytest.raises(DataError, match=r"gone\.jsonl: no such file"):
        read_logs([a, tmp_path / "gone.jsonl"])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ('"score": NaN', "line 2: score is nan"),
        ('"score": Infinity', "line 2: score is inf"),
        ('"score": -1', r"line 2: score is -1\.0"),
        ('"score": "high"', "line 2: not an episode"),
        ('"measures": [1]', "line 2: not an episode"),
        ('"measures": {"path": NaN}', "line 2: path is nan"),
        ('"seed": "first"', "line 2: not an episode"),
    ],
)
def test_numbers_that_are_none_name_the_line(tmp_path, damage, message):
    a, b = (write_log(tmp_path / f"{name}.jsonl", replace(IDENTITY, policy=name)) for name in ("a", "b"))
    header, line, *rest = a.read_text().splitlines()
    a.write_text("\n".join([header, line[:-1] + f", {damage}}}", *rest]) + "\n")
    with pytest.raises(DataError, match=message):
        read_logs([a, b])


def test_an_unpaired_comparison_of_scores_has_an_interval_and_no_test():
    rng = np.random.Generator(np.random.PCG64(3))
    a, b = log_of("a", rng.binomial(5, 0.6, 60), 5), log_of("b", rng.binomial(5, 0.3, 60), 5, first=1000)
    [result] = compare(a.episodes, b.episodes, levels=5)
    assert (result.pairs, result.p_value, result.e_value, result.score.p_value) == (0, None, None, None)
    assert result.score.interval[0] > 0
    low, high = result.score.interval
    # two independent means of 60: 1.96 sqrt(2 · 5 · (0.24 + 0.21)/2 / 60), roughly
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(5 * (0.24 + 0.21) / 60), rel=0.25)


def test_an_episode_with_two_results_names_the_line(tmp_path):
    path = write_log(tmp_path / "a.jsonl", IDENTITY)
    header, first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([header, first, *rest, first]) + "\n")
    assert len(read_logs([path, write_log(tmp_path / "b.jsonl", IDENTITY)])[0].episodes) == 3
    other = first.replace('"success": true', '"success": false').replace('"score": 1.0', '"score": 0.0')
    path.write_text("\n".join([header, first, *rest, other]) + "\n")
    with pytest.raises(DataError, match=r"line 5: .* is there already"):
        read_logs([path, tmp_path / "b.jsonl"])
