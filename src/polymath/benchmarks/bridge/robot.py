"""The WidowX of BridgeData V2 as SIMPLER shows it: one camera, BridgeData's state and action."""

from dataclasses import replace

from polymath.data.robots.embodiments import WIDOWX

CAMERAS = WIDOWX.cameras
"""A policy that was trained on two views is shown a black one, as BridgeData has a view that an episode lacks."""

assert WIDOWX.conventions is not None
EMBODIMENT = replace(
    WIDOWX, cameras=CAMERAS[:1], conventions=replace(WIDOWX.conventions, roles=WIDOWX.conventions.roles[:1])
)
