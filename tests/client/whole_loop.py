"""A robot's loop of 24 actions on any Python from 3.8 on; started by test_pythons.py with the package's folder."""

import sys
import threading

if len(sys.argv) > 1:
    sys.path.insert(0, sys.argv[1])

import numpy as np
from websockets.sync.server import serve

import polymath_client
from polymath_client import wire

CONTRACT = {"rate": 20.0, "action": {"names": ["x", "y"], "motion": "pose delta", "gripper_dims": []}}


def handle(socket):
    """Chunks of eight that continue what is committed."""
    socket.send(wire.encode({"policy": "test", "polymath": {"contract": CONTRACT}}))
    for data in socket:
        message = wire.decode(data)
        given = message.get("polymath/committed", np.zeros((0, 2), np.float32))
        last = given[-1] if len(given) else np.zeros(2, np.float32)
        rest = [last + 0.1 * (i + 1) for i in range(8 - len(given))]
        socket.send(wire.encode({"actions": np.concatenate([given, np.stack(rest)]).astype(np.float32)}))


def main():
    with serve(handle, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        with polymath_client.Connection(url, claims={"rate": 20}) as connection:
            background = polymath_client.Background(connection.infer)
            chunks = polymath_client.RealTimeChunking(background, execute=3, most_committed=4)
            watchdog = polymath_client.Watchdog.of(connection.contract)
            sent = []
            while len(sent) < 24:
                action = chunks.step({"state": np.zeros(2)})
                assert watchdog.filter(action).shape == (2,)
                if action is not None:
                    sent.append(action)
            background.close()
            if chunks.surprises == 0:
                assert np.abs(np.diff(np.stack(sent), axis=0)).max() < 0.1 + 1e-5
        server.shutdown()
    others = sorted(name for name in sys.modules if name.split(".")[0] in ("jax", "polymath", "polymath_worker"))
    assert not others, others
    print("moved", len(sent))


if __name__ == "__main__":
    main()
