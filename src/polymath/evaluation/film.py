"""Pictures of episodes: what an episode keeps while it runs, and which episodes become videos.

OUT/videos/POLICY/TASK.mp4                      the first episode of each task on the benchmark's first split, filmed at
                                                every control step, whatever becomes of it
OUT/videos/POLICY/failures/TASK.SPLIT.SEED.mp4  of each task and split the first failed ones, as the policy saw them

Filming costs a rendering for every control step. Of the other episodes nothing is rendered for the film: it has the
pictures that the policy was shown anyway, so that failures can be looked at without running them again.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from polymath.evaluation.episode_result import EpisodeResult
from polymath.evaluation.video import upscale, write_mp4
from polymath.policy.session import EpisodeKey
from polymath_worker.protocol import State

FAILURES = 2
_LOOKS = 120
_PIXELS = 256
_RATES = (2.0, 15.0)


@dataclass
class Film:
    """The first camera's pictures of one episode: those the simulator recorded, else those shown to the policy.

    Of the latter at most 120 are kept, evenly spaced: when there are more, every other one is dropped.
    """

    _recorded: list[UInt8[np.ndarray, "T height width 3"]] = field(default_factory=list)
    _looks: list[UInt8[np.ndarray, "height width 3"]] = field(default_factory=list)
    _every: int = 1
    _seen: int = 0

    def add(self, state: State) -> None:
        """Take what the simulator sent, at a decision or at the end."""
        if len(state.frames):
            self._recorded.append(state.frames)
        elif not self._recorded and state.observation.images:
            if self._seen % self._every == 0:
                self._looks.append(next(iter(state.observation.images.values())))
            self._seen += 1
            if len(self._looks) > _LOOKS:
                self._looks, self._every = self._looks[::2], 2 * self._every

    def frames(self) -> UInt8[np.ndarray, "T height width 3"]:
        """All pictures, empty if there were none."""
        if self._recorded:
            return np.concatenate(self._recorded)
        return np.stack(self._looks) if self._looks else np.zeros((0, 2, 2, 3), np.uint8)


class Videos:
    """Which episodes of one policy become videos, and where."""

    def __init__(self, directory: Path, split: str, seed: int, control_hz: float) -> None:
        self._directory, self._split, self._seed, self._control_hz = Path(directory), split, seed, control_hz

    def records(self, key: EpisodeKey) -> bool:
        """Whether the simulator films this episode at every control step."""
        return key.split == self._split and key.seed == self._seed

    def keep(self, result: EpisodeResult, frames: UInt8[np.ndarray, "T height width 3"]) -> None:
        """Write the video of a finished episode, if it is one to keep; a failure takes the place of a later one."""
        key = result.key
        if not len(frames):
            return
        if self.records(key):
            _write(self._directory / f"{key.task}.mp4", result, frames, self._control_hz / 2)
        elif not result.success:
            seeds = sorted({*self._kept(key), key.seed})
            if key.seed in seeds[:FAILURES]:
                rate = float(np.clip(len(frames) * self._control_hz / max(1, result.steps), *_RATES))
                _write(failure_path(self._directory, key), result, frames, rate)
            for seed in seeds[FAILURES:]:
                failure_path(self._directory, key._replace(seed=seed)).unlink(missing_ok=True)

    def _kept(self, key: EpisodeKey) -> list[int]:
        """Seeds of the failures of this task and split that have a video."""
        prefix = f"{key.task}.{key.split}."
        names = (path.name for path in failure_path(self._directory, key).parent.glob(f"{prefix}*.mp4"))
        return [int(seed) for name in names if (seed := name[len(prefix) : -len(".mp4")]).isdigit()]


def failure_path(directory: Path, key: EpisodeKey) -> Path:
    """Where the video of a failed episode is, if it was kept."""
    return Path(directory) / "failures" / f"{key.task}.{key.split}.{key.seed}.mp4"


def _write(path: Path, result: EpisodeResult, frames: UInt8[np.ndarray, "T height width 3"], fps: float) -> None:
    outcome = f"{'success' if result.success else 'no success'} after {result.steps} control steps"
    if result.score != result.success:
        outcome += f", score {result.score:g}"
    write_mp4(path, upscale(frames, _PIXELS), fps, title=result.instruction, comment=outcome)
