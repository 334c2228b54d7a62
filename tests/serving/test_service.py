"""Which size of pass a model's turns go through, and what is said of a model that is added."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from polymath.policy import Policy
from polymath.serving.adapters import adapter_named, bind
from polymath.serving.limits import Limits
from polymath.serving.metrics import Metrics
from polymath.serving.service import Service

from .conftest import served

ON_A_PROCESSOR = {1: 0.065, 8: 0.460}
"""Seconds of a pass by its rows: 30 M parameters, as in docs/performance.md."""
ON_AN_ACCELERATOR = {1: 0.010, 8: 0.016}
"""Not measured: a device that one row does not fill."""


@pytest.mark.parametrize(
    ("seconds", "shares"),
    [
        (ON_A_PROCESSOR, {1: 1, 2: 1, 3: 1, 7: 1, 8: 8, 20: 8}),  # 460 / 8 < 65, but 460 / 7 > 65
        (ON_AN_ACCELERATOR, {1: 1, 2: 2, 3: 3, 8: 8, 9: 8}),  # 16 / 2 < 10
        ({}, {1: 1, 2: 2, 3: 3, 8: 8, 9: 8}),
    ],
)
def test_a_pass_takes_the_size_with_most_answers_a_second(
    seconds: dict[int, float], shares: dict[int, int], policies: dict[str, Policy]
) -> None:
    model = served(policies["plain"], rows=(1, 8), seconds=seconds)
    assert {waiting: model.share(waiting) for waiting in shares} == shares


def test_a_single_size_takes_as_many_as_it_holds(policies: dict[str, Policy]) -> None:
    model = served(policies["plain"], rows=(8,), seconds={8: 0.460})
    assert [model.share(waiting) for waiting in (1, 5, 9)] == [1, 5, 8]


def test_the_log_says_what_is_converted_and_what_nobody_verified(
    policies: dict[str, Policy], half_sure: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = served(policies["plain"])
    contract = replace(model.contract, action=replace(model.contract.action, frame=None))
    bound = bind(adapter_named(str(half_sure)), contract)
    with caplog.at_level(logging.INFO, "polymath.serving"):
        Service(Limits(), Metrics()).add(replace(model, adapters={"half-sure": bound}))
    events = {record.getMessage(): record.__dict__ for record in caplog.records}
    assert events["adapter"]["conversions"] == ["image BGR -> RGB"]
    assert (events["adapter not verified"]["levelname"], events["adapter not verified"]["fields"]) == (
        "WARNING",
        ["action.frame"],
    )
