"""One robot of `make soak-serving`: episode after episode until it is killed, every answer checked.

    python tests/oracles/serving_robot.py URL SEED

Prints a JSON line an answer, and one for what was wrong. Like a robot it needs numpy, websockets and msgpack alone.
"""

import json
import sys
from typing import Any

import numpy as np
from websockets.sync.client import connect

from polymath.serving.numpy_msgpack import decode, encode

EPISODE = 25  # answers
SIZE = 64  # pixels of a side of a picture


def observation(contract: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    names, state = contract["cameras"]["names"], contract["state"]["names"]
    pictures = {f"observation/images/{name}": rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8) for name in names}
    return {
        **pictures,
        "observation/state": rng.normal(size=len(state)).astype(np.float32),
        "prompt": "press the button",
    }


def drive(url: str, seed: int) -> None:
    """Never returns."""
    rng = np.random.default_rng(seed)
    with connect(url, compression=None, max_size=None, open_timeout=60) as socket:
        contract = decode(_binary(socket.recv(timeout=60)))["polymath"]["contract"]
        width, execute = len(contract["action"]["names"]), contract["execute"]
        while True:
            chunk = np.zeros((0, width), np.float32)
            for step in range(EPISODE):
                more = {"polymath/executed": chunk[:execute]} if step else {"polymath/reset": True}
                socket.send(encode(observation(contract, rng) | more))
                reply = decode(_binary(socket.recv(timeout=120)))
                chunk, session = reply["actions"], reply["polymath"]["session"]
                say(answers=1)
                if chunk.shape[1] != width or not np.isfinite(chunk).all():
                    say(fault=f"an answer of shape {list(chunk.shape)}")
                if step and session != "continued":
                    say(fault=f"session {session} in the middle of an episode")


def _binary(data: bytes | str) -> bytes:
    if isinstance(data, str):
        raise SystemExit(f"refused: {data}")
    return data


def say(**entry: Any) -> None:
    sys.stdout.write(json.dumps(entry) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    drive(sys.argv[1], int(sys.argv[2]))
