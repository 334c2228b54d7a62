"""From a robot's own numbers to the sequence and back: the same code for training windows and for control.

A RobotTransform is rebuilt from a run directory (config, tokenizer, embodiment, statistics), so a policy sees at
control time exactly what it saw in training, the ablations of the baselines included.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, UInt8

from polymath.data.files.images import fit
from polymath.data.robots import relative
from polymath.data.robots.statistics import Statistics
from polymath.data.sequences import sequence
from polymath.data.sequences.augment import Augmentation, augment
from polymath.data.sequences.committed import prompt_with
from polymath.data.sequences.sequence import ControlStep, Document, Layout
from polymath.errors import ConfigError, DataError
from polymath.tokenizer import Tokenizer
from polymath.types import ActionChunk, Embodiment, Observation


@dataclass(frozen=True)
class Ablation:
    """What a baseline is not allowed to see, in training and at control time alike."""

    blank_images: bool = False  # every picture is black: what proprioception and language alone can do
    blank_instruction: bool = False  # no instruction tokens: what sight alone can do


NO_ABLATION = Ablation()


@dataclass(frozen=True)
class RobotTransform:
    """`committed`: the largest number of a chunk's first actions that a prompt may give; see `committed`.

    Raises DataError for statistics of another width, ConfigError for a layout that is too narrow for the robot.
    """

    layout: Layout
    tokenizer: Tokenizer
    embodiment: Embodiment
    statistics: Statistics
    ablation: Ablation = NO_ABLATION
    committed: int = 0

    def __post_init__(self) -> None:
        self.statistics.check(self.embodiment)
        for field, width, needed in (
            ("action_dim", self.layout.action_dim, self.embodiment.action_dim),
            ("state_dim", self.layout.state_dim, self.embodiment.state_dim),
        ):
            if width < needed:
                raise ConfigError(
                    f"layout.{field}: {width}, but robot {self.embodiment.name!r} needs {needed}; raise it"
                )

    def instruction_ids(self, instruction: str) -> list[int]:
        """Tokens of the instruction; none if the ablation blanks it. DataError if it is empty or no text."""
        value: object = instruction  # users have handed over None
        if not isinstance(value, str):
            kind = "missing (None)" if value is None else f"a {type(value).__name__}, not text"
            raise DataError(f"instruction: is {kind}; describe the task in words")
        if not instruction.strip():
            raise DataError("instruction: is empty; describe the task in words")
        return [] if self.ablation.blank_instruction else self.tokenizer.encode(instruction)

    def step(
        self,
        images: UInt8[np.ndarray, "C height width 3"],
        state: Float[np.ndarray, " state_dim"],
        actions: Float[np.ndarray, "W A"] | None = None,
        real: int = 0,
    ) -> ControlStep:
        """One control step from the robot's units; the first `real` of the W actions happened, the rest is padding."""
        size, how = self.layout.image_size, self.layout.image_fit
        if self.ablation.blank_images:
            pictures = np.zeros((len(images), size, size, 3), np.uint8)
        else:
            pictures = np.stack([fit(image, size, how) for image in images])
        normalised, origin = self.statistics.normalise_state(state), self._origin(state)
        if actions is None:
            return ControlStep(pictures, normalised, origin=origin)
        chunk = self._normalised(actions, origin)
        return ControlStep(pictures, normalised, chunk, np.arange(len(chunk)) < real, origin=origin)

    def document(self, instruction: Sequence[int], steps: Sequence[ControlStep]) -> Document:
        """A training window; a prompt if the last step has no actions."""
        return sequence.trajectory(self.layout, self.tokenizer.control, self.embodiment.slot, instruction, steps)

    def prompt(
        self,
        observations: Sequence[Observation],
        executed: Sequence[Float[np.ndarray, "stride A"]] = (),
        committed: Float[np.ndarray, "D A"] | None = None,
    ) -> Document:
        """The sequence up to the readouts of the newest of up to T observations, oldest first.

        `executed[i]` are the actions carried out between observation i and i + 1, in the robot's units; one entry less
        than observations, each of `layout.stride` actions; `committed` the actions after the newest observation that
        are given. Raises DataError for a wrong robot, camera or width, and for a prompt that is longer than the
        sequences of the training.
        """
        if not 1 <= len(observations) <= self.layout.window or len(executed) != len(observations) - 1:
            raise DataError(
                f"observations: {len(observations)} with {len(executed)} executed chunks; give 1 to "
                f"{self.layout.window} observations (layout.window) and one executed chunk less"
            )
        *before, newest = observations
        steps = [*(self.observed(observation) for observation in before), self.observed(newest, committed)]
        past = [self.followed_by(step, actions) for step, actions in zip(steps, executed, strict=False)]
        return self.prompt_of(self.instruction_ids(observations[-1].instruction), [*past, steps[-1]])

    def observed(self, observation: Observation, committed: Float[np.ndarray, "D A"] | None = None) -> ControlStep:
        """The newest control step of a prompt, with the first actions of its chunk where they are given.

        Raises DataError for a wrong robot, camera, picture or state, and for committed actions that are not finite, of
        another width or more than the training gave; ConfigError where it gave none.
        """
        step = self.step(self._camera_images(observation), observation.state)
        if committed is None or not len(committed):
            return step
        actions = self._check_committed(committed)
        return replace(step, committed=self._normalised(actions, step.origin))

    def followed_by(self, step: ControlStep, executed: Float[np.ndarray, "stride A"]) -> ControlStep:
        """An observed step with the actions that were carried out after it, in the robot's units; `layout.stride`.

        Raises DataError for another number of actions, another width, NaN and infinity.
        """
        chunk = self._normalised(self._past_chunk(executed), step.origin)
        return replace(step, actions=chunk, mask=np.arange(len(chunk)) < self.layout.stride)

    def prompt_of(self, instruction: Sequence[int], steps: Sequence[ControlStep]) -> Document:
        """The prompt of observed steps, oldest first, each but the newest followed by actions.

        Raises DataError for one that is longer than the sequences of the training.
        """
        document = self.document(instruction, steps)
        if len(document.tokens) > self.layout.length:
            raise DataError(
                f"instruction: with its {len(instruction)} tokens the prompt has {len(document.tokens)}, but sequences "
                f"of the training had {self.layout.length} at most (layout.length); shorten it"
            )
        return prompt_with(document, steps) if self.committed else document

    def normalised(
        self, actions: Float[np.ndarray, "n A"], state: Float[np.ndarray, " state_dim"]
    ) -> Float[np.ndarray, "n A"]:
        """Actions of a chunk that begins at `state`, both in the robot's units, as the model is given them."""
        return self._normalised(actions, self._origin(state))

    def chunk(
        self,
        normalised: Float[np.ndarray, "W A"],
        state: Float[np.ndarray, " state_dim"],
        committed: Float[np.ndarray, "D A"] | None = None,
    ) -> ActionChunk:
        """The action head's output (or decoded action tokens), padded dimensions included, in the robot's units.

        `state`: that of the observation which is answered, in the robot's units: the inverse of what training took from
        the actions. The first D actions are the committed ones, unchanged.
        """
        own = np.asarray(normalised)[:, : self.embodiment.action_dim]
        actions = self.statistics.denormalise_action(own, self.embodiment.gripper_dims)
        origin = self._origin(state)
        if origin is not None:
            actions = (actions + origin).astype(np.float32)
        if committed is not None and len(committed):
            actions = np.concatenate([np.asarray(committed, actions.dtype), actions[len(committed) :]])
        return ActionChunk(actions)

    def _origin(self, state: Float[np.ndarray, " state_dim"]) -> Float[np.ndarray, " A"] | None:
        subtracted = self.statistics.subtracted
        return relative.origin(state, subtracted) if subtracted else None

    def _normalised(
        self, actions: Float[np.ndarray, "n A"], origin: Float[np.ndarray, " A"] | None
    ) -> Float[np.ndarray, "n A"]:
        moved = actions if origin is None else np.asarray(actions, np.float64) - origin
        return self.statistics.normalise_action(moved, self.embodiment.gripper_dims)

    def _camera_images(self, observation: Observation) -> UInt8[np.ndarray, "C size size 3"]:
        value: object = observation  # users have handed over dictionaries, and lists where one is meant
        if not isinstance(value, Observation):
            raise DataError(
                f"observation: a {type(value).__name__}; give a polymath.Observation(images, state, instruction, "
                f"{self.embodiment.name!r})"
            )
        if observation.embodiment != self.embodiment.name:
            raise DataError(
                f"observation.embodiment: {observation.embodiment!r}, but this policy drives {self.embodiment.name!r}"
            )
        missing = [camera for camera in self.embodiment.cameras if camera not in observation.images]
        if missing:
            raise DataError(
                f"observation.images: no camera {missing[0]!r}, got {sorted(observation.images)}; "
                f"send {', '.join(self.embodiment.cameras)}"
            )
        size, how = self.layout.image_size, self.layout.image_fit
        pictures = [
            fit(observation.images[camera], size, how, f"observation.images[{camera!r}]")
            for camera in self.embodiment.cameras
        ]
        return np.stack(pictures)

    def _check_committed(self, committed: Float[np.ndarray, "D A"]) -> Float[np.ndarray, "D A"]:
        actions, width = np.asarray(committed), self.embodiment.action_dim
        if not self.committed:
            raise ConfigError(
                f"committed: {len(actions)} actions, but the run was trained without committed actions "
                "(robot.committed is 0); train its robot phase with --set robot.committed=D, or leave them out"
            )
        if actions.dtype.kind not in "fiu" or actions.ndim != 2 or actions.shape[1] != width:
            raise DataError(
                f"committed: {actions.dtype} {list(actions.shape)}; give numbers, [D, {width}]: the actions that are "
                "carried out from this observation on, until the answer arrives"
            )
        if len(actions) > self.committed:
            raise DataError(
                f"committed: {len(actions)} actions, but the training gave {self.committed} at most "
                "(robot.committed); lower the latency, or train with more"
            )
        if not np.isfinite(actions).all():
            raise DataError("committed: holds NaN or infinity; pass on what the robot will carry out")
        return actions.astype(np.float32)

    def _past_chunk(self, executed: Float[np.ndarray, "stride A"]) -> Float[np.ndarray, "W A"]:
        """Only the first `stride` actions of a past step are shown, the rest of its chunk is filled up."""
        executed = np.asarray(executed, np.float32)
        if executed.shape != (self.layout.stride, self.embodiment.action_dim):
            raise DataError(
                f"executed actions: shape {executed.shape}, expected ({self.layout.stride}, "
                f"{self.embodiment.action_dim}): layout.stride actions of the robot's width"
            )
        if not np.isfinite(executed).all():
            raise DataError("executed actions: hold NaN or infinity; pass on what the robot carried out")
        return pad_chunk(executed, self.layout.chunk_length)


def augmented(
    config: Augmentation | None, images: UInt8[np.ndarray, "n C h w 3"], layout: Layout, rng: np.random.Generator
) -> UInt8[np.ndarray, "n C size size 3"]:
    """Fit every picture as the layout says, then augment; without a config only fit."""
    n, cameras = images.shape[:2]
    size = layout.image_size
    fitted = images.reshape(n * cameras, *images.shape[2:])
    if fitted.shape[1:] != (size, size, 3) or fitted.dtype != np.uint8:
        fitted = np.stack([fit(image, size, layout.image_fit) for image in fitted])
    if config is not None:
        fitted = augment(config, fitted, cameras, rng)
    return fitted.reshape(n, cameras, size, size, 3)


def pad_chunk(actions: Float[np.ndarray, "n A"], length: int) -> Float[np.ndarray, "W A"]:
    """Repeat the last action until there are `length`."""
    return np.concatenate([actions, np.repeat(actions[-1:], length - len(actions), axis=0)])
