"""Errors of action chunks against the recorded actions that followed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from polymath.data.robots.conversions import wrapped
from polymath.data.robots.grippers import gripper_places
from polymath.errors import DataError
from polymath.evaluation.openloop.result import DimensionError, EpisodeError, GripperError, OpenLoop
from polymath.evaluation.statistics import bootstrap_mean
from polymath.types import Embodiment

CONSTANT = 1e-12  # variance of a dimension that never changes


@dataclass(frozen=True)
class Predicted:
    """What the policy answered in one episode: at control step `steps[i]`, the W actions `chunks[i]`."""

    name: str
    instruction: str
    actions: Float[np.ndarray, "T A"]
    steps: Int[np.ndarray, " n"]
    chunks: Float[np.ndarray, "n W A"]


def summarise(
    episodes: Sequence[Predicted], robot: Embodiment, policy: str, checkpoint: str, data: str, execute: int
) -> OpenLoop:
    """Errors over all predictions; actions beyond the end of an episode do not count.

    Raises DataError if there is no episode.
    """
    if not episodes:
        raise DataError(f"{data}: no episode to compare with; name a set that holds some")
    errors = np.concatenate([deviations(episode, robot) for episode in episodes])  # [N, W, A]
    variance, motion = spread(episodes, robot)
    changing = variance > CONSTANT
    units = robot.conventions.action_units if robot.conventions else ("",) * robot.action_dim
    mse, mae = np.nanmean(errors**2, axis=(0, 1)), np.nanmean(np.abs(errors), axis=(0, 1))
    by_step = _mean_of(np.abs(errors))
    scores = relative_errors(episodes, robot)
    return OpenLoop(
        policy=policy,
        checkpoint=checkpoint,
        data=data,
        robot=robot.name,
        episodes=len(episodes),
        predictions=len(errors),
        execute=execute,
        relative=_relative(errors, variance, motion) if motion.any() else None,
        interval=None if scores is None else bootstrap_mean(scores),
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
        gripper=tuple(gripper_error(episodes, robot, i) for i in gripper_places(robot)),
        by_episode=tuple(
            _by_episode(episodes[number], robot, scores, number) for number in worst_first(episodes, robot)
        ),
    )


def worst_first(episodes: Sequence[Predicted], robot: Embodiment) -> list[int]:
    """Places of the episodes by their relative error; where no motion changes, by their mean absolute error."""
    scores = relative_errors(episodes, robot)
    if scores is None:
        scores = np.array([np.nanmean(np.abs(deviations(episode, robot))) for episode in episodes])
    return np.argsort(-scores, kind="stable").tolist()


def _by_episode(
    episode: Predicted, robot: Embodiment, scores: Float[np.ndarray, " n"] | None, number: int
) -> EpisodeError:
    return EpisodeError(
        name=episode.name,
        instruction=episode.instruction,
        control_steps=len(episode.actions),
        relative=None if scores is None else float(scores[number]),
        mae=tuple(np.nanmean(np.abs(deviations(episode, robot)), axis=(0, 1)).tolist()),
    )


def spread(episodes: Sequence[Predicted], robot: Embodiment) -> tuple[Float[np.ndarray, " A"], Bool[np.ndarray, " A"]]:
    """Variance of the recorded actions, and which dimensions are motion: they change and are no grippers."""
    variance = np.concatenate([episode.actions for episode in episodes]).astype(np.float64).var(axis=0)
    motion = variance > CONSTANT
    motion[gripper_places(robot)] = False
    return variance, motion


def relative_errors(episodes: Sequence[Predicted], robot: Embodiment) -> Float[np.ndarray, " n"] | None:
    """Of each episode, by the variance over all of them; None where no motion changes."""
    variance, motion = spread(episodes, robot)
    if not motion.any():
        return None
    return np.array([_relative(deviations(episode, robot), variance, motion) for episode in episodes])


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
    """Of one gripper dimension: open or closed by the middle of its convention, else of the recorded range."""
    if dimension in robot.gripper_dims:
        middle = 0.5 if robot.conventions is not None and robot.conventions.gripper.startswith("0") else 0.0
    else:
        recorded = np.concatenate([episode.actions[:, dimension] for episode in episodes])
        middle = float(recorded.min() + recorded.max()) / 2
    right, opened, changed = [], [], []
    for episode in episodes:
        target = targets(episode)[..., dimension]
        agree = (episode.chunks[..., dimension] > middle) == (target > middle)
        right.append(np.where(np.isnan(target), np.nan, agree))
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
