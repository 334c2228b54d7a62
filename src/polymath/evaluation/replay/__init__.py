"""The replay self-test: recorded demonstrations through the very path that a policy's actions take, to the simulator.

    recorded actions ─► a run's normalisation (and token bins) and back ─► chunks ─► worker ─► simulator
    recorded states and first pictures  ◄─────────────── compared with ───────────── what it observes

A demonstration succeeded when it was recorded, so it must succeed again. Where it does not, the actions mean something
else to the simulator: a gripper sign, a frame, a scale, an order of cameras; no policy is to blame.
"""

from polymath.evaluation.replay.run import Replay, replay

__all__ = ["Replay", "replay"]
