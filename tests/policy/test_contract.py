"""What a checkpoint promises: everything of the run, plain data on the wire, both sides in every error."""

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.serving.adapters.contracts import contract_of, run_of

from polymath.benchmarks.metaworld.robot import EMBODIMENT as SAWYER
from polymath.data.robots.embodiments import DROID, LIBERO, ROBOTS
from polymath.errors import DataError
from polymath.policy.contract import Contract, statistics_hash
from polymath.presets.demo import TINY
from polymath.types import Embodiment


def test_it_says_what_the_run_says() -> None:
    run = run_of(DROID)
    contract = Contract.of(run)
    assert (contract.robot, contract.slot, contract.rate) == ("panda-droid", 12, 15.0)
    assert contract.cameras.names == DROID.cameras
    assert contract.cameras.roles == ("primary", "wrist")
    assert contract.state.units == ("rad",) * 7 + ("1",)
    assert (contract.action.motion, contract.action.gripper) == ("joints", "-1 closed 1 open")
    assert contract.action.gripper_dims == (7,)
    assert (contract.chunk, contract.window, contract.execute) == (TINY.layout.chunk_length, 1, None)
    assert (contract.image.size, contract.image.fit) == (TINY.layout.image_size, "stretch")
    assert contract.statistics == statistics_hash(run.statistics)


def test_a_history_says_how_many_actions_lie_between_observations() -> None:
    run = run_of(DROID)
    layout = replace(TINY.layout, window=4, stride=2)
    contract = Contract.of(replace(run, recipe=replace(TINY, layout=layout)))
    assert (contract.window, contract.execute) == (4, 2)


@pytest.mark.parametrize("robot", [*ROBOTS, SAWYER], ids=lambda robot: robot.name)
def test_it_goes_over_the_wire_and_back_and_agrees_with_itself(robot: Embodiment) -> None:
    contract = contract_of(robot)
    sent = json.loads(json.dumps(contract.as_dict()))
    assert Contract.from_dict(sent) == contract
    assert contract.embodiment == robot
    contract.check(sent)


def test_statistics_of_other_data_have_another_hash_and_what_was_clipped_does_not_matter() -> None:
    statistics = run_of(LIBERO).statistics
    assert statistics_hash(statistics) != statistics_hash(run_of(LIBERO, high=1.001).statistics)
    assert statistics_hash(statistics) != statistics_hash(replace(statistics, normalization="mean-std"))
    assert statistics_hash(statistics) == statistics_hash(replace(statistics, state_clipping=None))
    assert re.fullmatch("[0-9a-f]{16}", statistics_hash(statistics))


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"rate": 15},
        {"rate": np.float32(14.99)},  # a clock that is not exact
        {"state": {"units": np.array(["rad"] * 7 + ["1"])}},
        {"cameras": {"names": ("exterior_image_1_left", "wrist_image_left"), "roles": None}},
        {"action": {"motion": "joints", "gripper_dims": [7]}, "version": 1},
    ],
)
def test_claims_that_hold(claims: dict[str, Any]) -> None:
    contract_of(DROID).check(claims)


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"rate": 30.0}, "rate: client 30.0, checkpoint 15.0"),
        ({"rate": True}, "rate: client True, checkpoint 15.0"),
        ({"chunk": 16}, f"chunk: client 16, checkpoint {TINY.layout.chunk_length}"),
        ({"action": {"frame": "tool"}}, "action.frame: client 'tool', checkpoint 'joints'"),
        ({"rate": 30, "slot": 3}, "in 2 fields: rate: client 30, checkpoint 15.0; slot: client 3, checkpoint 12"),
        ({"state": {"names": ["x"]}}, r"state.names: client \['x'\], checkpoint \['joint 0', .*'closed'\]"),
        ({"rat": 15}, "claims.rat: no such field of a contract; did you mean rate"),
        ({"action": {"unit": []}}, "claims.action.unit: no such field of a contract; did you mean units"),
        ({"action": "joints"}, "claims.action: 'joints'; name some of its fields: names, units"),
        ({1: 2}, "claims.1: no such field"),
        ({"a\nb": 1}, "claims.'a.+nb': no such field"),
        ({"rate": 10**400}, "rate: client 1000"),
        ([], "claims: a list, not a mapping"),
        (None, "claims: a NoneType, not a mapping"),
        ({"version": 2}, "version: client 2, checkpoint 1"),
        ({"robot": "x" * 100_000}, r"robot: client 'x+… \(100000 entries\), checkpoint 'panda-droid'"),
    ],
)
def test_claims_that_do_not_hold_are_errors_with_both_sides(claims: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as raised:
        contract_of(DROID).check(claims)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 2000


def test_a_run_without_conventions_cannot_confirm_a_claim() -> None:
    contract = contract_of(SAWYER)
    contract.check({"state": {"names": ["x", "y", "z", "gripper"]}})
    with pytest.raises(DataError, match=r"state.units: client \['m'\], checkpoint does not say"):
        contract.check({"state": {"units": ["m"]}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "contract.version: 2, but this program reads version 1; install the same release"),
        ({"version": None}, "contract.version: None"),
        ({"colour": "RGB"}, "contract.colour: no such field"),
        ({"rate": "15"}, "contract.rate: expected float, got '15'"),
        ({"rate": float("nan")}, "rate nan"),
        ({"chunk": 0}, "chunk 0"),
        ({"rate": 10**400}, "contract.rate: is beyond 1.8e308"),
        ({5: 1}, "contract.5: no such field"),
        ({"cameras": {"names": []}}, r"contract.cameras.names: \[\]; name each camera once"),
        ({"cameras": {"names": ["front", "front"]}}, "name each camera once"),
        ({"state": {"names": ["a", "b"], "units": ["m"]}}, "contract.state.units: 1 entries for 2 names"),
        ({"image": {"size": 64, "layout": "WHC"}}, "contract.image.layout: 'WHC' is none of 'HWC', 'CHW'"),
        ({"action": None}, "contract.action: expected the fields of Action"),
    ],
)
def test_what_is_no_contract_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Contract.from_dict(contract_of(DROID).as_dict() | change)


@pytest.mark.parametrize("values", [None, [], "contract", 1])
def test_only_fields_are_a_contract(values: Any) -> None:
    with pytest.raises(DataError, match="not the fields of a contract"):
        Contract.from_dict(values)


def test_a_field_is_missing() -> None:
    values = contract_of(DROID).as_dict()
    del values["statistics"]
    with pytest.raises(DataError, match="missing field 'statistics' of Contract"):
        Contract.from_dict(values)


def test_it_says_how_many_actions_may_be_given_as_under_way() -> None:
    run = run_of(DROID)
    assert Contract.of(run).committed == 0
    recipe = replace(TINY, robot=replace(TINY.robot, committed=2))
    contract = Contract.of(replace(run, recipe=recipe))
    assert contract.as_dict()["committed"] == 2
    older = {name: value for name, value in contract.as_dict().items() if name != "committed"}
    assert Contract.from_dict(older).committed == 0, "a server of before does not say"
    for wrong in (-1, contract.chunk):
        with pytest.raises(DataError, match=rf"contract.committed: {wrong}; choose 0 to {contract.chunk - 1}"):
            Contract.from_dict({**contract.as_dict(), "committed": wrong})


def test_a_promise_that_cannot_be_names_the_run() -> None:
    run = run_of(DROID)
    with pytest.raises(DataError, match=rf"^{re.escape(str(run.path))}: contract: rate 0.0"):
        Contract.of(replace(run, embodiment=replace(DROID, control_hz=0.0)))
