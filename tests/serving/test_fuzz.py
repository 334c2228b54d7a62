"""Mutated and drawn messages: the server refuses each in one line and answers the next good one as before.

`make fuzz-serving` is the long form, against a server process.
"""

import random

import numpy as np
from hypothesis import HealthCheck, given, settings

from polymath.serving.numpy_msgpack import encode
from polymath.serving.server import Server

from .conftest import Client, message, observation
from .mutations import mutated, structures
from .talking import Talk

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
