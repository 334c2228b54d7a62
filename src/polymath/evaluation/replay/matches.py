"""What a replay observed against what was recorded: cameras by their first pictures, states step by step."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from polymath.data.files.images import fit
from polymath.errors import ConfigError
from polymath.evaluation.replay.policy import ReplaySession
from polymath.types import Embodiment

STILL = 0.1
"""A dimension that moves less than this share of its standard deviation, or of a tenth of its value, stands still."""


@dataclass(frozen=True)
class CameraMatch:
    """Mean absolute difference, 0 to 255, of a camera's first rendered pictures to the recorded ones.

    `nearest` is the recorded camera that they resemble most.
    """

    difference: float
    nearest: str
    nearest_difference: float


@dataclass(frozen=True)
class StateMatch:
    """One dimension of the state, over all replayed control steps.

    deviation   root mean square difference of the observed from the recorded state, in units of how far the recording
                moves: 1 for an action of no effect or twice the effect, 2 for one of the opposite effect
    gain        how far it moves from the first observation, against the recording: 1 as recorded, 2 twice as far, -1
                the other way; None where the recording does not move
    """

    deviation: float
    gain: float | None


def match_cameras(sessions: Sequence[ReplaySession]) -> dict[str, CameraMatch]:
    """For every camera that was rendered and recorded. Raises ConfigError if there is none."""
    first = sessions[0]
    shared = [camera for camera in first.demonstration.pictures if camera in first.pictures]
    if not shared:
        raise ConfigError(
            f"cameras {', '.join(first.pictures)} are rendered, {', '.join(first.demonstration.pictures)} recorded; "
            "replay demonstrations of these cameras"
        )
    matches = {}
    for camera in shared:
        to = {other: _mean_difference(sessions, camera, other) for other in first.demonstration.pictures}
        nearest = min(to, key=lambda other: to[other])
        matches[camera] = CameraMatch(to[camera], nearest, to[nearest])
    return matches


def _mean_difference(sessions: Sequence[ReplaySession], rendered: str, recorded: str) -> float:
    differences = []
    for session in sessions:
        theirs = session.demonstration.pictures[recorded]
        ours = session.pictures[rendered]
        if ours.shape != theirs.shape:
            ours, theirs = (fit(picture, min(ours.shape[0], theirs.shape[0])) for picture in (ours, theirs))
        differences.append(np.abs(ours.astype(np.float32) - theirs).mean())
    return float(np.mean(differences))


def match_states(sessions: Sequence[ReplaySession], robot: Embodiment) -> dict[str, StateMatch]:
    """For every dimension of the state, by its name."""
    motions, moved, differences = [], [], []
    for session in sessions:
        steps = sorted(session.observed)
        observed, recorded = np.stack([session.observed[step] for step in steps]), session.demonstration.states[steps]
        motions.append(recorded - recorded[0])
        moved.append(observed - observed[0])
        differences.append(observed - recorded)
    motion, observed_motion = (np.concatenate(each).astype(np.float64) for each in (motions, moved))
    recorded = np.concatenate([session.demonstration.states for session in sessions])
    least = STILL * np.maximum(recorded.std(axis=0), 0.1 * np.abs(recorded).max(axis=0))
    size = np.sqrt((motion**2).mean(axis=0))
    deviations = np.sqrt((np.concatenate(differences) ** 2).mean(axis=0)) / np.maximum(size, least + 1e-9)
    gains = (motion * observed_motion).mean(axis=0) / np.maximum(size, 1e-9) ** 2
    return {
        name: StateMatch(float(deviation), float(gain) if moves else None)
        for name, deviation, gain, moves in zip(robot.state_names, deviations, gains, size > least, strict=True)
    }
