"""A robot's side of a policy server: Python 3.8 or newer, numpy, websockets, msgpack.

connection = Connection("ws://HOST:PORT", claims={"rate": 20.0, "action": {"motion": "pose delta"}})
chunks = RealTimeChunking.of(connection.contract, Background(connection.infer), execute=4)
watchdog = Watchdog.of(connection.contract)
while True:                                              # once a control tick
    robot.send(watchdog.filter(chunks.step(robot.observe())))
"""

from polymath_client.clock import SystemClock
from polymath_client.connection import Connection, Reply, Request
from polymath_client.ensembling import TemporalEnsembling
from polymath_client.errors import ChunkError, ClientError, ConnectionLost, ContractError, Reconnected, ServerError
from polymath_client.inference import Background, Immediate
from polymath_client.interpolation import Deltas, Targets
from polymath_client.realtime import RealTimeChunking
from polymath_client.reconnecting import Reconnecting
from polymath_client.replay import ChunkReplay
from polymath_client.watchdog import Watchdog

__all__ = [
    "Background",
    "ChunkError",
    "ChunkReplay",
    "ClientError",
    "Connection",
    "ConnectionLost",
    "ContractError",
    "Deltas",
    "Immediate",
    "RealTimeChunking",
    "Reconnected",
    "Reconnecting",
    "Reply",
    "Request",
    "ServerError",
    "SystemClock",
    "Targets",
    "TemporalEnsembling",
    "Watchdog",
]
