"""Mutated and drawn messages: the server refuses each in one line and answers the next good one as before.

`make fuzz-serving` is the long form, against a server process.
"""

import random

import numpy as np
from hypothesis import HealthCheck, given, settings

from polymath.serving.numpy_msgpack import encode
from polymath.serving.server import Server

from .conftest import Client, message, observation
from .mutations import mutated, mutated_harness, structures
from .talking import HarnessTalk, Talk

MESSAGES, EXAMPLES = 1500, 150


def test_mutated_messages_are_answered_or_refused(plain: Server) -> None:
    good = message(observation(0))
    with Client(plain.url) as client:
        before = client.infer(good)["actions"]
    talk, generator = Talk(plain.url), random.Random(0)
    others = [encode(good), encode({"prompt": "go"}), b"\xc1" * 40]
    for _ in range(MESSAGES):
        talk.send(mutated(generator, good, others))
    talk.close()
    assert talk.faults == []
    assert talk.kinds["refused"] > MESSAGES / 4
    with Client(plain.url) as client:
        np.testing.assert_array_equal(client.infer(good)["actions"], before)


def test_mutated_messages_of_a_harness_are_answered_or_refused(plain: Server) -> None:
    seen = observation(0)
    images = {name: image[:8, :8] for name, image in seen.images.items()}
    good = {"images": images, "states": seen.state, "task_description": seen.instruction}
    talk, generator = HarnessTalk(f"{plain.url}/vla-eval"), random.Random(0)
    for _ in range(MESSAGES):
        talk.send(mutated_harness(generator, good, [b"\xc1" * 40, encode({"prompt": "go"})]))
    talk.close()
    assert talk.faults == []
    assert talk.kinds["refused"] > MESSAGES / 4
    assert talk.kinds["answered"] > 0


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=structures())
def test_drawn_structures_are_answered_or_refused(plain: Server, drawn: dict[str, object]) -> None:
    talk = Talk(plain.url)
    try:
        talk.send(encode(message(observation(0)) | drawn))
        talk.send(encode(drawn))
    finally:
        talk.close()
    assert talk.faults == []


def test_lists_of_unequal_lengths_and_numbers_beyond_float32_are_refused(plain: Server) -> None:
    """Found by `make fuzz-serving`: each was the server's own error, or an answer of NaN."""
    talk, good = Talk(plain.url), message(observation(0))
    for key, value in (
        ("observation/state", [0.0, [1.0], 2.0, 3.0]),
        ("observation/state", np.array([1e300, 0, 0, 0])),
        ("polymath/executed", [[1.0, 0.0, 0.0, 0.0], []]),
        ("polymath/committed", [[[]], 1]),
    ):
        assert talk.send(encode(good | {key: value})) == "refused", (key, value)
    talk.close()
    assert talk.faults == []
