"""The episode log: resume after a cut, one identity per file, errors that name file, line and field."""

import dataclasses
import json

import pytest

from polymath.errors import ConfigError, DataError
from polymath.evaluation.episode_log import EpisodeLog, Identity, read_episodes
from polymath.evaluation.episode_result import EpisodeResult
from polymath.evaluation.rollout import EpisodeKey

IDENTITY = Identity("metaworld", "polymath-v", "demo finetune 800", "raycast", 64, ("front", "top"), 2, 60)
FIRST = EpisodeResult(EpisodeKey("push", "seen", 7), True, 31, 2.5, "push it")
SECOND = EpisodeResult(EpisodeKey("pull", "novel_objects", 8), False, 60, 4.0, "pull it")


@pytest.fixture
def path(tmp_path):
    log = EpisodeLog(tmp_path / "polymath-v.jsonl", IDENTITY)
    log.append(FIRST)
    log.append(SECOND)
    return log.path


def test_what_was_written_is_read_back(path):
    assert read_episodes(path) == (IDENTITY, {FIRST.key: FIRST, SECOND.key: SECOND})
    assert EpisodeLog(path, IDENTITY).results == {FIRST.key: FIRST, SECOND.key: SECOND}


def test_every_line_says_renderer_and_policy(path):
    rows = [json.loads(line) for line in path.read_text().splitlines()[1:]]
    assert rows[0] == {
        "task": "push", "split": "seen", "seed": 7, "success": True, "steps": 31, "seconds": 2.5,
        "instruction": "push it", "score": 1.0, "measures": {},
        "renderer": "raycast", "policy": "polymath-v",
    }  # fmt: skip
    assert len(rows) == 2


@pytest.mark.parametrize("kept", [1, 20, 60])
def test_a_cut_last_line_is_dropped_and_can_be_written_again(path, kept):
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]) + lines[2][:kept])
    log = EpisodeLog(path, IDENTITY)
    assert log.results == {FIRST.key: FIRST}
    log.append(SECOND)
    assert read_episodes(path)[1] == {FIRST.key: FIRST, SECOND.key: SECOND}


@pytest.mark.parametrize(
    ("field", "value"),
    [("policy", "random"), ("renderer", "egl"), ("execute", 4), ("cameras", ("front",)), ("checkpoint", "demo 900")],
)
def test_another_identity_is_refused_by_field(path, field, value):
    with pytest.raises(ConfigError, match=f"{path}: its episodes were run with {field} = "):
        EpisodeLog(path, dataclasses.replace(IDENTITY, **{field: value}))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty"),
        ("{}\n", "line 1: field 'identity' is missing"),
        ("HEADER\nnot json\n", "line 2: not JSON"),
        ('HEADER\n{"task": "push", "split": "seen", "success": true}\n', "line 2: field 'seed' is missing"),
    ],
)
def test_an_unreadable_log_names_the_line(path, text, problem):
    path.write_text(text.replace("HEADER", path.read_text().splitlines()[0]))
    with pytest.raises(DataError, match=problem):
        read_episodes(path)


def test_a_missing_log_says_so(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_episodes(tmp_path / "none.jsonl")
