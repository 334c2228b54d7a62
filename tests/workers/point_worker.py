"""A worker over a toy simulator that steps in microseconds: a point moves in the unit square towards a target it sees.

`python -m point_worker SLOTS [FAULT [MARKER]]`; a fault makes it misbehave, to test what the evaluator says then. With
the path MARKER it misbehaves once, at its 20th control step, and leaves a file there.
"""

import ctypes
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from polymath_worker import Observation
from polymath_worker.protocol import VERSION, Hello
from polymath_worker.serve import claim_standard_streams, serve

MAX_STEPS = 30


@dataclass
class Result:
    success: bool
    done: bool


class PointSimulator:
    """Success when the point is within 0.1 of the target; the target is the pixel that is white."""

    def reset(self, task, split, seed):
        rng = np.random.Generator(np.random.PCG64([seed, *f"{task}/{split}".encode()]))
        self.point, self.target = rng.uniform(0, 1, (2, 2)).astype(np.float32)
        self.steps, self.task = 0, task
        return self.observe()

    def step(self, action):
        global STEPS
        STEPS += 1
        if MARKER is not None and (STEPS < 20 or MARKER.exists()):
            return self.move(action)
        if MARKER is not None:
            MARKER.touch()
        if FAULT == "raise":
            raise ValueError("the simulator is unhappy")
        if FAULT == "die":
            sys.stderr.write("the simulator fell over\n")
            os._exit(3)
        if FAULT == "hang":
            time.sleep(60)
        if FAULT == "print":
            print("a library says hello")
            ctypes.CDLL(None).puts(b"and so does C")
            sys.stdout.flush()
        return self.move(action)

    def move(self, action):
        self.steps += 1
        self.point = np.clip(self.point + 0.1 * np.clip(action, -1, 1), 0, 1).astype(np.float32)
        success = bool(np.linalg.norm(self.point - self.target) < 0.1)
        return Result(success, success or self.steps == MAX_STEPS)

    def observe(self):
        image = np.zeros((16, 16, 3), np.uint8)
        x, y = np.minimum(self.target * 16, 15).astype(int)
        image[y, x] = 255
        return Observation({"top": image}, self.point, f"reach the point of {self.task}", "point")


if __name__ == "__main__":
    FAULT = sys.argv[2] if len(sys.argv) > 2 else ""
    MARKER = Path(sys.argv[3]) if len(sys.argv) > 3 else None
    STEPS = 0
    if FAULT == "garbage":
        print("Welcome to the simulator, version 2, a friendly banner that is no frame")
        sys.exit()
    requests, replies = claim_standard_streams()
    if FAULT == "stuck at start":
        time.sleep(60)
    if FAULT == "die at start":
        os._exit(4)
    slots = int(sys.argv[1])
    hello = Hello(VERSION + (FAULT == "old"), "point", "drawn", 16, ["top"], ["a", "b"], MAX_STEPS, 20.0, slots)
    serve([PointSimulator() for _ in range(slots)], hello, requests, replies)
