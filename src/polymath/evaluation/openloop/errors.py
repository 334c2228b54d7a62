"""Errors of action chunks against the recorded actions that followed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from polymath.data.robots.conversions import wrapped
from polymath.errors import DataError
from polymath.evaluation.statistics import bootstrap_mean
from polymath.types import Embodiment


@dataclass(frozen=True)
class Predicted:
    """What the policy answered in one episode: at control step `steps[i]`, the W actions `chunks[i]`."""

    name: str
    instruction: str
    actions: Float[np.ndarray, "T A"]
    steps: Int[np.ndarray, " n"]
    chunks: Float[np.ndarray, "n W A"]


@dataclass(frozen=True)
class DimensionError:
    """Errors of one action dimension over all predictions.

    mse, mae   in the square of `unit`, and in `unit`
    relative   mse divided by the variance of the recorded actions: 1 is no better than their mean; None where these
               never change
    by_step    mae of each step of the chunk, the first one executed first
    """

    name: str
    unit: str
    mse: float
    mae: float
    relative: float | None
    by_step: tuple[float, ...]


@dataclass(frozen=True)
class GripperError:
    """Open or closed, decided in the middle of the range.

    most_frequent is the accuracy of answering always what the recordings hold more often; `changes` counts the
    recorded changes from one to the other, `at_changes` is the accuracy at the step of a change (None without one).
    """

    name: str
    accuracy: float
    most_frequent: float
    by_step: tuple[float, ...]
    changes: int
    at_changes: float | None


@dataclass(frozen=True)
class OpenLoop:
    """All errors of one policy on one data set; `relative` is the mean over the motion's dimensions that change, with
    its 95 % bootstrap interval over episodes, `relative_by_step` the same for each step of the chunk.
    """

    policy: str
    checkpoint: str
    data: str
    robot: str
    episodes: int
    predictions: int
    execute: int
    relative: float | None
    interval: tuple[float, float] | None
    relative_by_step: tuple[float, ...]
    dimensions: tuple[DimensionError, ...]
    gripper: tuple[GripperError, ...]


def summarise(
    episodes: Sequence[Predicted], robot: Embodiment, policy: str, checkpoint: str, data: str, execute: int
) -> OpenLoop:
    """Errors over all predictions; actions beyond the end of an episode do not count.

    Raises DataError if there is no episode.
    """
    if not episodes:
        raise DataError(f"{data}: no episode to compare with; name a set that holds some")
    errors = np.concatenate([deviations(episode, robot) for episode in episodes])  # [N, W, A]
    recorded = np.concatenate([episode.actions for episode in episodes]).astype(np.float64)
    variance = recorded.var(axis=0)
    changing = variance > 1e-12
    units = robot.conventions.action_units if robot.conventions else ("",) * robot.action_dim
    mse, mae = np.nanmean(errors**2, axis=(0, 1)), np.nanmean(np.abs(errors), axis=(0, 1))
    by_step = _mean_of(np.abs(errors))
    motion = np.array([i not in robot.gripper_dims for i in range(robot.action_dim)]) & changing
    scores = [_relative(deviations(episode, robot), variance, motion) for episode in episodes] if motion.any() else []
    return OpenLoop(
        policy=policy,
        checkpoint=checkpoint,
        data=data,
        robot=robot.name,
        episodes=len(episodes),
        predictions=len(errors),
        execute=execute,
        relative=_relative(errors, variance, motion) if motion.any() else None,
        interval=bootstrap_mean(scores) if scores else None,
        relative_by_step=tuple(
            _relative(errors[:, [step]], variance, motion) for step in range(len(by_step)) if motion.any()
        ),
        dimensions=tuple(
            DimensionError(
                name=robot.action_names[i],
                unit=units[i],
                mse=float(mse[i]),
                mae=float(mae[i]),
                relative=float(mse[i] / variance[i]) if changing[i] else None,
                by_step=tuple(float(value) for value in by_step[:, i]),
            )
            for i in range(robot.action_dim)
        ),
        gripper=tuple(gripper_error(episodes, robot, i) for i in robot.gripper_dims),
    )


def targets(episode: Predicted) -> Float[np.ndarray, "n W A"]:
    """The recorded actions that each chunk predicts; NaN beyond the end of the episode."""
    length, width = episode.chunks.shape[1:]
    padded = np.concatenate([episode.actions.astype(np.float64), np.full((length, width), np.nan)])
    return padded[episode.steps[:, None] + np.arange(length)]


def deviations(episode: Predicted, robot: Embodiment) -> Float[np.ndarray, "n W A"]:
    """Predicted minus recorded, NaN beyond the end; Euler angles the short way round."""
    difference = episode.chunks.astype(np.float64) - targets(episode)
    conventions = robot.conventions
    if conventions is not None and conventions.rotation == "euler xyz":
        for i, unit in enumerate(conventions.action_units):
            if unit == "rad":
                difference[..., i] = wrapped(difference[..., i])
    return difference


def gripper_error(episodes: Sequence[Predicted], robot: Embodiment, dimension: int) -> GripperError:
    """Of one gripper dimension."""
    middle = 0.5 if robot.conventions is not None and robot.conventions.gripper.startswith("0") else 0.0
    right, opened, changed = [], [], []
    for episode in episodes:
        recorded = targets(episode)[..., dimension]
        agree = (episode.chunks[..., dimension] > middle) == (recorded > middle)
        right.append(np.where(np.isnan(recorded), np.nan, agree))
        commands = episode.actions[:, dimension] > middle
        opened.append(commands)
        at = np.flatnonzero(commands[1:] != commands[:-1]) + 1
        changed.append((len(at), agree[np.isin(episode.steps, at), 0]))
    all_right, share = np.concatenate(right), float(np.concatenate(opened).mean())
    at_changes = np.concatenate([agreed for _, agreed in changed])
    return GripperError(
        name=robot.action_names[dimension],
        accuracy=float(np.nanmean(all_right)),
        most_frequent=max(share, 1 - share),
        by_step=tuple(float(value) for value in _mean_of(all_right)),
        changes=sum(count for count, _ in changed),
        at_changes=float(at_changes.mean()) if len(at_changes) else None,
    )


def _relative(errors: Float[np.ndarray, "n W A"], variance: Float[np.ndarray, " A"], motion: np.ndarray) -> float:
    return float(np.nanmean(errors[..., motion] ** 2 / variance[motion]))


def _mean_of(values: np.ndarray) -> np.ndarray:
    """Mean over predictions for each step of the chunk. A step that lies beyond the end of every episode is no step."""
    reached = ~np.isnan(values.reshape(*values.shape[:2], -1)[..., 0]).all(axis=0)
    return np.nanmean(values[:, reached], axis=0)
