"""Recorded episodes for those without a robot: a data set as our readers open it, step by step."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from polymath.data.formats.opening import open_source
from polymath.data.interface import EpisodeSet, episode_name
from polymath.errors import ConfigError, DataError
from polymath.types import Embodiment, Observation


@dataclass(frozen=True)
class Recording:
    """One episode without its pictures; `name` is what the set calls it."""

    index: int
    name: str
    instruction: str
    task: str
    actions: Float[np.ndarray, "T A"]


class Recordings:
    """An opened set. Readers are no more than one thread's at a time: call it from the page's own thread."""

    def __init__(self, name: str, source: EpisodeSet) -> None:
        self.name, self._source = name, source

    @classmethod
    def open(cls, name: str) -> "Recordings":
        """The set of that name, `FORMAT:PLACE?option=value`. Raises DataError for one that holds no episodes."""
        source = open_source(name)
        if not isinstance(getattr(source, "embodiment", None), Embodiment) or not len(source):
            raise DataError(f"--episodes {name}: holds no episodes of a robot; name a set of episodes, not of pairs")
        return cls(name, source)

    def __len__(self) -> int:
        return len(self._source)

    @property
    def robot(self) -> Embodiment:
        return self._source.embodiment

    def listed(self, start: int, count: int) -> list[dict[str, str | int]]:
        """Index, name and instruction of `count` episodes from `start` on."""
        return [
            {"index": index, "name": episode_name(self._source, index), "instruction": self._source.instruction(index)}
            for index in range(start, min(start + count, len(self)))
        ]

    def recording(self, index: int) -> Recording:
        """Raises DataError for an index that there is not."""
        source = self._source
        self._check(index)
        actions = np.asarray(source.actions(index), np.float32)
        return Recording(index, episode_name(source, index), source.instruction(index), source.task(index), actions)

    def observations(self, index: int, steps: Iterable[int]) -> list[Observation]:
        """What the robot saw at these control steps. Raises DataError for an episode or a step that there is not."""
        self._check(index)
        states = self._source.states(index)
        chosen = list(steps)
        if beyond := [step for step in chosen if not 0 <= step < len(states)]:
            raise DataError(f"step {beyond[0]}: episode {index} has steps 0 to {len(states) - 1}")
        frames = self._source.frames(index, chosen)
        instruction = self._source.instruction(index)
        return [
            Observation(
                dict(zip(self.robot.cameras, pictures, strict=True)),
                np.asarray(states[step], np.float32),
                instruction,
                self.robot.name,
            )
            for step, pictures in zip(chosen, frames, strict=True)
        ]

    def _check(self, index: int) -> None:
        if not 0 <= index < len(self):
            raise DataError(f"episode {index}: {self.name} has episodes 0 to {len(self) - 1}")


def fitting(recordings: Recordings, robots: Mapping[str, Embodiment]) -> str:
    """Of the robots of the models, by the models' names, the first that is the robot of the recordings.

    Raises ConfigError, printing both sides for the first model, if there is none.
    """
    faults = {name: _fault(recordings.robot, name, robot) for name, robot in robots.items()}
    chosen = next((name for name, fault in faults.items() if fault is None), None)
    if chosen is not None:
        return chosen
    reason = next(iter(faults.values()), "no model is loaded yet; try again when /readyz says ready")
    raise ConfigError(f"--episodes {recordings.name}: {reason}")


def _fault(recorded: Embodiment, name: str, ours: Embodiment) -> str | None:
    for field in ("name", "state_names", "action_names", "gripper_dims"):
        theirs, own = getattr(recorded, field), getattr(ours, field)
        if theirs != own:
            return f"its robot has {field} {theirs!r}, but model {name} drives one with {own!r}"
    missing = [camera for camera in ours.cameras if camera not in recorded.cameras]
    return f"has cameras {', '.join(recorded.cameras)}, but model {name} sees {missing[0]!r}" if missing else None
