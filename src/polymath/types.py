"""What crosses a boundary between rooms: observations, action chunks, episodes, pairs, embodiments and batches.

Everything here is numpy on the host. Axis letters are those of the whole project: B batch, S sequence, N images,
M control-step slots, W chunk length, A action width, T control steps.
"""

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

Role = Literal["primary", "secondary", "wrist"]
Motion = Literal["pose delta", "pose", "joint delta", "joints"]
Rotation = Literal["none", "euler xyz", "axis-angle", "quaternion xyzw", "rotation 6d"]
Frame = Literal["base", "tool", "world", "joints"]
Gripper = Literal["none", "0 closed 1 open", "0 open 1 closed", "-1 closed 1 open", "-1 open 1 closed", "metres"]


@dataclass(frozen=True)
class Conventions:
    """How to read a robot's vectors. Units stand per dimension: m, rad, 1 (no unit), or `0.02 m` for a scaled one.

    `roles` are those of the cameras, in their order. `motion`, `rotation` and `frame` describe the action,
    `gripper` its gripper dimensions. "euler xyz" is roll, pitch, yaw about the fixed axes x, y, z.
    """

    roles: tuple[Role, ...]
    state_units: tuple[str, ...]
    action_units: tuple[str, ...]
    motion: Motion
    rotation: Rotation
    frame: Frame
    gripper: Gripper


@dataclass(frozen=True)
class Embodiment:
    """A robot as data: what it sees, what its state and action vectors mean.

    `slot` is the index of its `<robot:…>` control token. `gripper_dims` are action dimensions already in [-1, 1],
    which normalisation leaves alone.
    """

    name: str
    slot: int
    cameras: tuple[str, ...]
    state_names: tuple[str, ...]
    action_names: tuple[str, ...]
    gripper_dims: tuple[int, ...]
    control_hz: float
    action_space: str = "end-effector delta position in the robot frame, scaled to [-1, 1]; gripper -1 open, 1 closed"
    state_space: str = "end-effector position in the robot frame, metres; gripper opening in [0, 1]"
    conventions: Conventions | None = None  # None: not written down, as in a set that only names its dimensions

    @property
    def state_dim(self) -> int:
        return len(self.state_names)

    @property
    def action_dim(self) -> int:
        return len(self.action_names)


@dataclass(frozen=True)
class Observation:
    """What a policy sees at one control step.

    images: camera name -> uint8 [height, width, 3], RGB; state: float32 [state_dim] in the embodiment's units.
    """

    images: dict[str, UInt8[np.ndarray, "height width 3"]]
    state: Float[np.ndarray, " state_dim"]
    instruction: str
    embodiment: str


@dataclass(frozen=True)
class ActionChunk:
    """The next W actions, float32 [W, A], in the embodiment's own units (not normalised)."""

    actions: Float[np.ndarray, "W A"]


@dataclass(frozen=True)
class Episode:
    """One demonstration of T control steps; `actions[t]` was executed after `states[t]` and `images[camera][t]`."""

    images: dict[str, UInt8[np.ndarray, "T height width 3"]]
    states: Float[np.ndarray, "T state_dim"]
    actions: Float[np.ndarray, "T A"]
    instruction: str
    task: str
    embodiment: str
    metadata: dict[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True)
class ImageText:
    """One image-text pair: RGB uint8 [height, width, 3] and its caption."""

    image: UInt8[np.ndarray, "height width 3"]
    text: str


@dataclass(frozen=True)
class Interleaved:
    """Text and pictures in reading order: a str, or an encoded picture as bytes (JPEG, PNG, WebP)."""

    parts: tuple[str | bytes, ...]


Leaf = Any  # np.ndarray on the host, jax.Array on devices


@dataclass(frozen=True)
class Pointing:
    """A question about a picture and its answer as numbers in about [-1, 1], of which `mask` says what is asked."""

    question: str
    targets: Float[np.ndarray, "W A"]
    mask: Bool[np.ndarray, "W A"]


class Batch(NamedTuple):
    """Packed sequences, ready for the device. The same pytree holds numpy arrays on the host and jax arrays on devices.

    tokens             token ids; the ids at <img>, <state> and <act:i> positions only mark the place
    segment_ids        0 on padding, 1, 2, … for the documents packed into the sequence; nothing attends across segments
    positions          position inside the segment, for rotary embeddings
    loss_weights       weight of token s as a target of the cross-entropy, predicted from s-1 of the same segment
    images             RGB, of N slots a sequence; empty slots are zero
    image_index        n*Q + q where latent q of image n stands, -1 elsewhere
    states             normalised proprioception of M control-step slots
    state_index        m where the state of slot m stands, -1 elsewhere
    actions            normalised action chunk of each slot; in a run that commits actions, of A + 1 columns, the last
                       one 1 where the action is given at its <act:i> (`polymath.data.sequences.committed`)
    action_mask        1 where that action dimension of that chunk step is real (padded dims and steps are 0)
    readout_positions  sequence index of the W <act:i> tokens of each slot; 0 in empty slots (their mask is 0)
    """

    tokens: Int[Leaf, "B S"]
    segment_ids: Int[Leaf, "B S"]
    positions: Int[Leaf, "B S"]
    loss_weights: Float[Leaf, "B S"]
    images: UInt8[Leaf, "B N height width 3"]
    image_index: Int[Leaf, "B S"]
    states: Float[Leaf, "B M state_dim"]
    state_index: Int[Leaf, "B S"]
    actions: Float[Leaf, "B M W A"]
    action_mask: Bool[Leaf, "B M W A"]
    readout_positions: Int[Leaf, "B M W"]
