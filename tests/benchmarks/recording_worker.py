"""A worker whose expert walks along a line, for the recorder: `python -m recording_worker [FAULT [MARKER]]`.

The task "hard" fails where the seed is even, "never" always; at every fourth seed with an empty demonstration. FAULT
"die" ends the process at seed 3, once: the file MARKER remembers it.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np

from polymath_worker.protocol import VERSION, Demonstration, Hello
from polymath_worker.serve import claim_standard_streams, serve

FAULT = sys.argv[1] if len(sys.argv) > 1 else ""
MARKER = Path(sys.argv[2]) if len(sys.argv) > 2 else None


class Line:
    """States are (position, noise); an episode has 3 + seed % 4 steps."""

    def demonstrate(self, task, split, seed, noise):
        if FAULT == "die" and seed % 1000 == 3 and MARKER is not None and not MARKER.exists():
            MARKER.touch()
            os._exit(3)
        time.sleep(0.02 * (seed % 3))  # they end out of order
        random = np.random.default_rng([seed, *task.encode(), *split.encode()])
        steps = 3 + seed % 4
        failed = task == "never" or (task == "hard" and seed % 2 == 0)
        if failed and seed % 4 == 0:  # as where a seed leads to no start
            nothing = np.zeros((0, 2), np.float32)
            return Demonstration(False, "no start", {}, nothing, nothing)
        states = np.stack([np.arange(steps), np.full(steps, noise)], 1).astype(np.float32)
        return Demonstration(
            success=not failed,
            instruction=f"walk as {task} says",
            images={"top": random.integers(0, 256, (steps, 8, 8, 3), dtype=np.uint8)},
            states=states,
            actions=random.uniform(-1, 1, (steps, 2)).astype(np.float32),
            extras={"seeds": np.full(steps, seed)},
            initial=np.array([seed, 1 / 3]),
        )


if __name__ == "__main__":
    requests, replies = claim_standard_streams()
    hello = Hello(VERSION, "line", "drawn", 8, ["top"], ["easy", "hard"], 30, 10.0, 1, {"line": "1.0"})
    serve([Line()], hello, requests, replies)
