"""openpi's protocol over a real socket: what is served is what the policy answers in this process."""

import numpy as np

from polymath.policy import Policy
from polymath.serving.server import Server

from .conftest import Client, message, observation


def test_served_answers_are_those_of_the_process_bit_for_bit(plain: Server, policies: dict[str, Policy]) -> None:
    session = policies["plain"].open()
    with Client(plain.url) as client:
        for seed in range(3):
            reply = client.infer(message(observation(seed)))
            np.testing.assert_array_equal(reply["actions"], session.act(observation(seed)).actions)
