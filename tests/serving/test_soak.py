"""Robots that are killed in mid-episode: the others are answered, the dead forgotten.

`make soak-serving` is the long form, of half an hour against a server process.
"""

import time

from tests.oracles.soak_serving import Robots

from polymath.policy import Policy
from polymath.serving.limits import Limits

from .conftest import running, served
from .test_server import until

ROBOTS, SECONDS, KILL_EVERY = 3, 4.0, 1.0


def test_killed_robots_cost_the_others_nothing(policies: dict[str, Policy]) -> None:
    with running([served(policies["streaming"])], Limits(send=1.0, ping=1.0, drain=5.0)) as server:
        robots, faults = Robots(server.url, ROBOTS), []
        until(lambda: len(server.service.connections) == ROBOTS, 60.0)  # their interpreters have started
        for _ in range(int(SECONDS / KILL_EVERY)):
            time.sleep(KILL_EVERY)
            faults += robots.ended_early()
            robots.kill_one()
        robots.end()
        until(lambda: not server.service.connections)
        assert faults + robots.faults == []
        assert robots.killed == SECONDS / KILL_EVERY
        assert robots.answers > ROBOTS * 2
