"""What an open-loop evaluation gives, as it stands in openloop.json."""

from dataclasses import dataclass
from typing import Literal

Seen = Literal["held out", "trained on", "unknown"]


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
class EpisodeError:
    """Of one episode: its relative error (None where no motion changes), and the mae of each action dimension."""

    name: str
    instruction: str
    control_steps: int
    relative: float | None
    mae: tuple[float, ...]


@dataclass(frozen=True)
class ProbeResult:
    """Relative errors as they are and without the sense, over `episodes`; `interval` is that of the difference, 95 %.

    `uses`: the interval lies above 0, and the difference is large enough to matter (`probes.LEAST`). All are None where
    `skipped` says why there was nothing to measure.
    """

    name: str
    sense: str
    episodes: int = 0
    relative: float | None = None
    probed: float | None = None
    difference: float | None = None
    interval: tuple[float, float] | None = None
    uses: bool | None = None
    skipped: str = ""


@dataclass(frozen=True)
class OpenLoop:
    """All errors of one policy on one data set; `relative` is the mean over the motion's dimensions that change, with
    its 95 % bootstrap interval over episodes, `relative_by_step` the same for each step of the chunk. `by_episode` has
    the worst one first.

    `seen`: whether the run says that it was trained on these episodes.
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
    by_episode: tuple[EpisodeError, ...]
    seen: Seen = "unknown"
    probes: tuple[ProbeResult, ...] = ()
