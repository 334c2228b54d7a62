"""Frames and messages between evaluator and worker: round trips, and errors that name the field."""

import io

import numpy as np
import pytest

from polymath_worker import Observation, wire
from polymath_worker.protocol import (
    VERSION,
    Act,
    Close,
    Failure,
    Hello,
    ProtocolError,
    Reset,
    State,
    read_message,
    write_message,
)

OBSERVATION = Observation(
    images={"corner": np.arange(48, dtype=np.uint8).reshape(4, 4, 3)},
    state=np.array([0.1, 0.2], np.float32),
    instruction="press the button",
    embodiment="sawyer",
)
STATE = State(1, OBSERVATION, steps=4, success=False, done=False, frames=np.zeros((0, 4, 4, 3), np.uint8))
MESSAGES = [
    Hello(VERSION, "metaworld", "raycast", 64, ["corner"], ["push-v3"], 60, 20.0, 2),
    Reset(0, "push-v3", "seen", 7),
    Act(1, np.zeros((4, 4), np.float32)),
    STATE,
    Failure(0, "Traceback …"),
    Close(),
]


def frame(message: dict) -> io.BytesIO:
    data = wire.encode(message)
    return io.BytesIO(len(data).to_bytes(4, "big") + data)


def test_messages_come_back_in_order_and_the_stream_ends():
    stream = io.BytesIO()
    for message in MESSAGES:
        write_message(stream, message)
    stream.seek(0)
    for message in MESSAGES:
        got = read_message(stream)
        np.testing.assert_equal(vars_deep(got), vars_deep(message))
        assert type(got) is type(message)
    assert read_message(stream) is None


def vars_deep(message):
    fields = dict(vars(message))
    if isinstance(message, State):
        fields["observation"] = vars(message.observation)
    return fields


@pytest.mark.parametrize("kept", [2, 10])
def test_a_cut_frame_is_an_error(kept):
    stream = io.BytesIO()
    write_message(stream, MESSAGES[1])
    with pytest.raises(ProtocolError, match="the stream ended"):
        read_message(io.BytesIO(stream.getvalue()[:kept]))


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ({"type": "dance"}, "message.type: 'dance' is none of hello, reset"),
        ({"type": "reset", "slot": 0, "task": "a", "split": "b", "record": False}, "reset.seed: missing"),
        ({"type": "reset", "slot": 0, "task": "a", "split": "b", "seed": True, "record": False}, "reset.seed"),
        ({"type": "close", "now": 1}, "close.now: no such field"),
        (
            {"type": "act", "slot": 0, "actions": np.zeros(4, np.float32)},
            "act.actions: expected a floating-point array",
        ),
        ({"type": "act", "slot": 0, "actions": np.zeros((1, 4), np.int32)}, r"got int32 \[1, 4\]"),
        (
            {"type": "state"} | vars(STATE) | {"observation": vars(OBSERVATION) | {"images": {"corner": 3}}},
            r"state.observation.images\['corner'\]: expected a uint8 array of 3 axes",
        ),
    ],
)
def test_a_malformed_message_names_its_field(message, problem):
    with pytest.raises(ProtocolError, match=problem):
        read_message(frame(message))
