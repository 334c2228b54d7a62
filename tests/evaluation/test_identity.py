"""The identity of a result: what its hashes cover, and what compare refuses."""

import dataclasses
import json
from dataclasses import replace
from pathlib import Path

import pytest

from polymath.data.robots.embodiments import CALVIN
from polymath.errors import ConfigError
from polymath.evaluation.candidate import Candidate
from polymath.evaluation.comparison import compare_runs
from polymath.evaluation.episode_log import EpisodeLog, read_episodes
from polymath.evaluation.episode_result import EpisodeResult
from polymath.evaluation.identity import Identity, check_comparable, describe_robot, differences
from polymath.evaluation.rollout import EpisodeKey

IDENTITY = Identity(
    benchmark="calvin",
    policy="ours",
    checkpoint="run/robot/400",
    renderer="pybullet-3.2.5/tiny",
    image_size=64,
    cameras=("rgb_static", "rgb_gripper"),
    execute=10,
    max_steps=360,
    options={"scene": "D"},
    protocol="calvin-long-horizon 1",
    simulator={"calvin_env": "797142c"},
    robot=describe_robot(CALVIN),
    decode="head",
    weights="0123456789abcdef",
)
OTHER = {
    "benchmark": "libero", "policy": "theirs", "checkpoint": "run/robot/800", "renderer": "pybullet-3.2.5/egl",
    "image_size": 128, "cameras": ("rgb_static",), "execute": 1, "max_steps": 300, "options": {"scene": "A"},
    "protocol": "calvin-long-horizon 2", "simulator": {"calvin_env": "8888888"}, "robot": "another", "decode": "tokens",
    "weights": "fedcba9876543210",
}  # fmt: skip


@pytest.mark.parametrize("field", [each.name for each in dataclasses.fields(Identity)])
def test_each_field_counts_where_it_should(field: str) -> None:
    other = replace(IDENTITY, **{field: OTHER[field]})
    policys_own = field in ("policy", "checkpoint", "weights", "decode", "execute")
    assert (other.protocol_hash == IDENTITY.protocol_hash) == policys_own
    assert (other.hash == IDENTITY.hash) == (field in ("policy", "checkpoint"))  # names of the very same weights
    assert differences(IDENTITY, other) == ([] if policys_own else [field])
    if policys_own:
        check_comparable(IDENTITY, other, ("a", "b"))
        return
    with pytest.raises(ConfigError) as error:
        check_comparable(IDENTITY, other, ("a.jsonl", "b.jsonl"))
    for part in (field, repr(getattr(IDENTITY, field)), repr(OTHER[field]), "a.jsonl", "b.jsonl"):
        assert part in str(error.value)
    check_comparable(IDENTITY, other, ("a", "b"), allowed=(field,))


def test_without_weights_the_names_tell_policies_apart() -> None:
    foreign = replace(IDENTITY, weights="", checkpoint="")
    assert foreign.hash != replace(foreign, policy="theirs").hash


def test_a_hash_is_the_same_in_every_process() -> None:
    """blake2b of the sorted JSON; written down here so that stored results keep their meaning."""
    assert (IDENTITY.hash, IDENTITY.protocol_hash) == ("08fe43940974", "967f0c0e8b62")
    assert replace(IDENTITY, options={"b": "2", "a": "1"}).hash == replace(IDENTITY, options={"a": "1", "b": "2"}).hash


def test_an_unknown_field_cannot_be_allowed() -> None:
    with pytest.raises(ConfigError, match="--allow colour: no such field"):
        check_comparable(IDENTITY, IDENTITY, ("a", "b"), allowed=("colour",))


def write(path: Path, identity: Identity) -> Path:
    log = EpisodeLog(path, identity)
    log.append(EpisodeResult(EpisodeKey("chain", "D", 0), False, 720, 3.0, "open the drawer", 2.0, {"open_drawer": 1}))
    return path


def test_logs_of_older_versions_are_read_and_compared(tmp_path: Path) -> None:
    old = write(tmp_path / "old.jsonl", IDENTITY)
    header, *rows = (json.loads(line) for line in old.read_text().splitlines())
    assert header["identity"]["hash"] == IDENTITY.hash
    for field in ("hash", "protocol_hash", "protocol", "simulator", "robot", "decode", "weights"):
        header["identity"].pop(field)
    for row in rows:
        row.pop("score")
        row.pop("measures")
    old.write_text("".join(json.dumps(row) + "\n" for row in (header, *rows)))
    [result] = read_episodes(old)[1].values()
    assert (result.score, result.measures) == (0.0, {})
    new = write(tmp_path / "new.jsonl", replace(IDENTITY, policy="theirs"))
    assert len(compare_runs(old, new)) == 1


def test_a_score_and_measures_are_read_back(tmp_path: Path) -> None:
    [result] = read_episodes(write(tmp_path / "log.jsonl", IDENTITY))[1].values()
    assert (result.score, result.measures) == (2.0, {"open_drawer": 1})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "widowx"}, "ours drives robot 'widowx', but benchmark calvin has 'panda-calvin'"),
        ({"action_names": ("dx",) * 7}, r"action_names of robot .* is \('dx', .*"),
        ({"gripper_dims": (5,)}, r"gripper_dims of robot panda-calvin is \(5,\)"),
        ({"control_hz": 10.0}, "control_hz of robot panda-calvin is 10.0, but benchmark calvin has 30.0"),
        ({"conventions": replace(CALVIN.conventions, gripper="0 closed 1 open")}, "gripper of .* is '0 closed 1 open'"),
        ({"conventions": replace(CALVIN.conventions, frame="tool")}, "conventions.frame of .* is 'tool'"),
        ({"conventions": None, "action_space": "joints"}, "action_space of .* is 'joints'"),
    ],
)  # fmt: skip
def test_a_policy_of_another_convention_is_refused(change, message) -> None:
    from polymath.evaluation.benchmark import Benchmark, Plan

    benchmark = Benchmark("calvin", CALVIN, ("chain",), {"D": ("D", "")}, range(1000), lambda plan: None)
    candidate = Candidate("ours", None, embodiment=replace(CALVIN, **change))
    with pytest.raises(ConfigError, match=message):
        candidate.completed(Plan(), benchmark)
    assert Candidate("ours", None, embodiment=CALVIN).completed(Plan(), benchmark) == Plan()
