"""The doctor on demonstrations without faults, and on planted ones: each is named, and no other episode blamed."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from tests.data.looking import arm

from polymath.data.files.quarantine import Quarantine
from polymath.data.formats.memory import MemoryEpisodes
from polymath.data.looking.doctor import diagnosis
from polymath.data.looking.doctor.diagnosis import MOMENTS, Diagnosis, as_json
from polymath.data.looking.doctor.population import Population
from polymath.data.looking.doctor.reading import Recorded, read
from polymath.types import Episode

HEALTHY = arm.demonstrations(12)


@lru_cache
def healthy() -> list[Recorded]:
    """HEALTHY as it is read, once."""
    return read(MemoryEpisodes(arm.ARM, HEALTHY), MOMENTS, Quarantine())


def examined(episodes: list[Episode]) -> Diagnosis:
    """Those of HEALTHY are not read again."""
    known = {id(episode): number for number, episode in enumerate(HEALTHY)}
    recorded = []
    for number, episode in enumerate(episodes):
        if id(episode) in known:
            each = healthy()[known[id(episode)]]
        else:
            each = read(MemoryEpisodes(arm.ARM, [episode]), MOMENTS, Quarantine())[0]
        recorded.append(replace(each, index=number, name=f"episode {number}"))
    return diagnosis.examined("arm", Population(arm.ARM, arm.ARM.control_hz, recorded))


def blamed(result: Diagnosis) -> dict[int, set[str]]:
    """Episode -> the checks that blame it."""
    checks: dict[int, set[str]] = {}
    for finding in result.findings:
        checks.setdefault(finding.episode, set()).add(finding.check)
    return checks


def planted(*faults: tuple[int, Callable[[Episode], Episode]]) -> list[Episode]:
    episodes = list(HEALTHY)
    for number, fault in faults:
        episodes[number] = fault(episodes[number])
    return episodes


@pytest.mark.parametrize("seed", range(3))
def test_demonstrations_without_faults_are_kept(seed: int) -> None:
    result = examined(arm.demonstrations(12, seed))
    assert result.findings == ()
    assert result.lag["actions"] == "absolute"
    # first-order servo of 0.7 behind a delay of 2 steps: the states' steps follow most closely 2 steps later
    assert result.lag["steps"] == pytest.approx(2, abs=0.5)
    assert result.lag["milliseconds"] == pytest.approx(1000 * result.lag["steps"] / 30)


@pytest.mark.parametrize("seed", range(3))
def test_delta_actions_without_faults_are_kept(seed: int) -> None:
    result = examined([arm.as_deltas(each) for each in arm.demonstrations(12, seed)])
    assert result.findings == ()
    assert result.lag["actions"] == "delta"


FAULTS: dict[str, tuple[str, str, Callable[[Episode], Episode]]] = {
    "frozen": ("frozen", "drop", arm.frozen),
    "frozen from the middle on": ("frozen", "drop", lambda e: arm.frozen(e, "wrist", 0.4)),
    "frozen at the end": ("frozen", "look", lambda e: arm.frozen(e, "wrist", 0.65)),
    "black": ("black", "drop", arm.black),
    "blurred": ("blurred", "look", arm.blurred),
    "cameras swapped": ("swapped", "drop", arm.swapped),
    "states 3 steps late": ("lag", "drop", arm.lagging),
    "states 2 steps late": ("lag", "drop", lambda e: arm.lagging(e, 2)),
    "states 2 steps early": ("lag", "drop", lambda e: arm.lagging(e, -2)),
    "states 3 steps early": ("lag", "drop", lambda e: arm.lagging(e, -3)),
    "gripper command flipped": ("gripper", "drop", lambda e: arm.changed(e, actions={5: lambda g: 100 - g})),
    "gripper opening flipped": ("gripper", "drop", lambda e: arm.changed(e, states={5: lambda g: 100 - g})),
    "both flipped": ("gripper", "look", lambda e: arm.changed(e, {5: lambda g: 100 - g}, {5: lambda g: 100 - g})),
    "gripper from 0 to 1": (
        "gripper range",
        "look",
        lambda e: arm.changed(e, {5: lambda g: g / 100}, {5: lambda g: g / 100}),
    ),
    "radians": ("scale", "drop", lambda e: replace(e, states=np.deg2rad(e.states), actions=np.deg2rad(e.actions))),
    "leap": ("jump", "look", lambda e: arm.changed(e, {1: lambda x: x + 60 * (np.arange(len(x)) > 70)})),
    "spike": ("jump", "look", lambda e: arm.changed(e, {1: lambda x: x + 90 * (np.arange(len(x)) == 55)})),
    "pose": ("poses", "look", lambda e: arm.changed(e, {0: lambda x: x + 300}, {0: lambda x: x + 300})),
    "idle beginning": ("idle", "look", lambda e: arm.waiting(e, 60)),
    "idle end": ("idle", "look", lambda e: arm.waiting(e, 60, at_end=True)),
    "dead encoder": ("still", "look", lambda e: arm.changed(e, {2: lambda x: 0 * x})),
    "cut short": ("length", "look", lambda e: arm.cut(e, 30, 45)),
    "saturated": ("saturated", "look", lambda e: arm.changed(e, actions={0: lambda x: np.clip(x, -8, 8)})),
    "other words": ("naming", "look", lambda e: replace(e, instruction="put the red cube into the box.")),
    "misspelt": ("naming", "look", lambda e: replace(e, instruction="Put the red cuve into the box")),
}


def test_a_camera_that_sees_no_motion_for_half_a_second_is_alive() -> None:
    """Of 10 demonstrations of seed 5 one turns, for 17 steps, only joints that move nothing in the wrist's picture."""
    assert examined(arm.demonstrations(10, 5)).findings == ()


@pytest.mark.parametrize("steps", [2, 3, -2])
@pytest.mark.parametrize("deltas", [False, True])
def test_a_lag_is_named_wherever_the_episode_stands(steps: int, deltas: bool) -> None:
    """First, in the middle and last, of absolute and of delta actions; two of twelve at once."""
    plain = [arm.as_deltas(each) for each in HEALTHY] if deltas else HEALTHY
    for places in ((0, 6), (11, 5)):
        episodes = list(plain)
        for place in places:
            episodes[place] = arm.lagging(episodes[place], steps)
        assert blamed(examined(episodes)) == {place: {"lag"} for place in places}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_named_and_no_other_episode_blamed(fault: str) -> None:
    check, severity, plant = FAULTS[fault]
    result = examined(planted((4, plant)))
    assert set(blamed(result)) == {4}
    assert check in blamed(result)[4]
    assert next(each.severity for each in result.of(4) if each.check == check) == severity


def test_several_faults_at_once_are_each_named() -> None:
    """A frozen camera, a lag of 3 steps, a flipped gripper in two episodes, an episode that is there twice."""
    flipped = lambda e: arm.changed(e, actions={5: lambda g: 100 - g})  # noqa: E731
    episodes = planted((1, arm.frozen), (3, arm.lagging), (5, flipped), (8, flipped))
    result = examined([*episodes, HEALTHY[6]])
    checks = {number: found & {"frozen", "lag", "gripper", "duplicate"} for number, found in blamed(result).items()}
    assert checks == {1: {"frozen"}, 3: {"lag"}, 5: {"gripper"}, 8: {"gripper"}, 12: {"duplicate"}}


def test_a_trimmed_copy_is_a_duplicate() -> None:
    result = examined([*HEALTHY, arm.cut(HEALTHY[2], 10, 80)])
    assert blamed(result) == {12: {"duplicate"}}
    assert "the same as episode 2" in result.findings[0].text


def test_instructions_that_do_not_vary_concern_the_set() -> None:
    result = examined([replace(each, instruction="do it", task="do it") for each in HEALTHY])
    assert result.findings == ()
    assert any("instructions do not vary" in note for note in result.notes)


def test_the_summary_is_json() -> None:
    summary = as_json(examined(planted((4, arm.black))))
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary["counts"] == {"keep": 11, "look": 0, "drop": 1, "unreadable": 0}
    reason = summary["episodes"][4]["reasons"][0]
    assert (reason["check"], reason["verdict"], reason["fields"]) == ("black", "drop", ["wrist"])
