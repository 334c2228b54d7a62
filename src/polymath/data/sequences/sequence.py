"""How an image-text pair, a trajectory window or an observation becomes a sequence of tokens.

Q = 3 latents an image, W = 2 steps a chunk, A = 2 action dimensions, one camera, T = 2 control steps:

    image-text pair
    token    <bos> <img> <img> <img>  a    red  puck  <eos>
    weight     0     0     0     0    1     1    1     1

    trajectory window
    token    <bos> <robot:0> push it  <img> <img> <img> <state> <act:0> <act:1> a00 a01  <img> … a10 a11 a20 a21 <eos>
    weight     0       0      0   0     0     0     0      0       0       0     1   1     0  …  1   1   1   1    0
    step                             └─────────────────── t - stride ────────────────┘  └─────────── t ─────────┘

    pointing (a question about a picture; the readouts regress the answer's numbers)
    token    <bos> <robot:31> the red puck <img> <img> <img> <state> <act:0> <act:1>
    weight     0       0       0   0   0    0     0     0      0       0       0

`<img>` positions take the resampler's latents, `<state>` a projection of the whole proprioception vector, the W
`<act:i>` positions are read out by the action head. `a…` are the same actions as control tokens, step by step, A of
each, where A is the width of the robot's own action. Attention is causal, so nothing that an `<act:i>` position sees
reveals its targets.

A step that is not the last of its window shows only the `stride` actions that were executed before the next picture:
the rest of its chunk would give the next step's targets away. With `past_actions=False` it shows none of them. With
`action_tokens=False` the last step shows none either: the action head alone learns its chunk, and a sequence is shorter
by W * A tokens, which is most of a small robot's sequence.
The weight of `a…` is 0 where the chunk reaches beyond the end of the episode. `prompt` at control time is the same
sequence up to the last `<act>`; the policy and the training data share `trajectory`, so they cannot drift apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from polymath.data.files.images import Fit
from polymath.errors import ConfigError, DataError
from polymath.tokenizer import ControlTokens
from polymath.tokenizer.control_tokens import READOUTS

POINTER_SLOT = 31


@dataclass(frozen=True)
class Layout:
    """Sizes that a model and its batches share; the letters are those of `polymath.types.Batch`.

    `action_dim` and `state_dim` are the widths of the batch; a robot with fewer dimensions is padded with zeros that
    the action mask excludes. `window` is T, the control steps of one sequence, `stride` the number of executed actions
    between two of them. `image_fit`: how a picture that is no square becomes one, "stretch" (its aspect ratio changes)
    or "pad" (black around it, as openpi's resize_with_pad).
    """

    length: int = 256  # S
    latents_per_image: int = 16  # Q
    image_size: int = 64
    image_fit: Fit = "stretch"
    max_images: int = 8  # N
    max_control_steps: int = 4  # M
    chunk_length: int = 4  # W
    action_dim: int = 4  # A
    state_dim: int = 4
    window: int = 1  # T
    stride: int = 1
    past_actions: bool = True
    action_tokens: bool = True

    def __post_init__(self) -> None:
        for name in ("length", "latents_per_image", "image_size", "max_images", "chunk_length", "window", "stride"):
            if getattr(self, name) < 1:
                raise ConfigError(f"layout.{name}: must be at least 1, is {getattr(self, name)}")
        if self.chunk_length > READOUTS:
            raise ConfigError(f"layout.chunk_length: {self.chunk_length}, but there are {READOUTS} readout tokens")
        if self.stride > self.chunk_length:
            raise ConfigError(
                f"layout.stride: {self.stride} actions between control steps, but a chunk has {self.chunk_length}; "
                "raise layout.chunk_length or lower layout.stride"
            )


@dataclass(frozen=True)
class ControlStep:
    """One control step, ready for the sequence: images in the robot's camera order, state and actions normalised.

    `actions` [W, A] holds the robot's own A; `mask` [W] is False beyond the end of the episode. Both None: a prompt.
    `committed` are the first D actions of its chunk where a prompt gives them, normalised. `origin`: what is taken from
    its actions before they are normalised, in the robot's units (`polymath.data.robots.relative`); None: nothing.
    """

    images: UInt8[np.ndarray, "C size size 3"]
    state: Float[np.ndarray, " state_dim"]
    actions: Float[np.ndarray, "W A"] | None = None
    mask: Bool[np.ndarray, " W"] | None = None
    committed: Float[np.ndarray, "D A"] | None = None
    origin: Float[np.ndarray, " A"] | None = None


@dataclass(frozen=True)
class Document:
    """One sequence before packing: L tokens, n images, m control steps; positions are indices into the L tokens.

    image_starts: first `<img>` position of each image; its Q latents follow one another. In a run that commits actions
    `actions` and `action_mask` have one column more, see `polymath.data.sequences.committed`.
    """

    tokens: Int[np.ndarray, " L"]
    loss_weights: Float[np.ndarray, " L"]
    images: UInt8[np.ndarray, "n size size 3"]
    image_starts: Int[np.ndarray, " n"]
    states: Float[np.ndarray, "m state_dim"]
    state_positions: Int[np.ndarray, " m"]
    actions: Float[np.ndarray, "m W A"]
    action_mask: Bool[np.ndarray, "m W A"]
    readout_positions: Int[np.ndarray, "m W"]


def pair(
    layout: Layout, control: ControlTokens, image: UInt8[np.ndarray, "size size 3"], caption: Sequence[int]
) -> Document:
    """An image-text pair; `caption` holds ids of the tokenizer. The size is `pair_length(layout, len(caption))`."""
    q = layout.latents_per_image
    tokens = np.array([control.bos, *[control.img] * q, *caption, control.eos], np.int32)
    weights = np.zeros(len(tokens), np.float32)
    weights[1 + q :] = 1.0
    return Document(
        tokens=tokens,
        loss_weights=weights,
        images=_check_images(layout, image[None]),
        image_starts=np.array([1], np.int32),
        states=np.zeros((0, layout.state_dim), np.float32),
        state_positions=np.zeros(0, np.int32),
        actions=np.zeros((0, layout.chunk_length, layout.action_dim), np.float32),
        action_mask=np.zeros((0, layout.chunk_length, layout.action_dim), bool),
        readout_positions=np.zeros((0, layout.chunk_length), np.int32),
    )


def trajectory(
    layout: Layout, control: ControlTokens, slot: int, instruction: Sequence[int], steps: Sequence[ControlStep]
) -> Document:
    """A trajectory window of `steps`, oldest first; a prompt if the last of them has no actions.

    `slot` is the embodiment's, `instruction` holds ids of the tokenizer.
    """
    tokens = [control.bos, control.robot(slot), *instruction]
    weighted: list[tuple[int, Float[np.ndarray, " n"]]] = []
    image_starts, state_positions, readouts = [], [], []
    for number, step in enumerate(steps):
        for _ in step.images:
            image_starts.append(len(tokens))
            tokens += [control.img] * layout.latents_per_image
        state_positions.append(len(tokens))
        tokens.append(control.state)
        readouts.append(range(len(tokens), len(tokens) + layout.chunk_length))
        tokens += control.readouts[: layout.chunk_length]
        shown = shown_actions(layout, is_last=number == len(steps) - 1)
        if step.actions is not None and step.mask is not None and shown:
            ids = control.encode_actions(step.actions[:shown])
            weighted.append((len(tokens), np.repeat(step.mask[:shown], ids.shape[1]).astype(np.float32)))
            tokens += ids.ravel().tolist()
    is_prompt = steps[-1].actions is None
    if not is_prompt:
        tokens.append(control.eos)
    weights = np.zeros(len(tokens), np.float32)
    for start, values in weighted:
        weights[start : start + len(values)] = 0.0 if is_prompt else values
    actions, mask = _padded_actions(layout, steps)
    return Document(
        tokens=np.array(tokens, np.int32),
        loss_weights=weights,
        images=_check_images(layout, np.concatenate([step.images for step in steps])),
        image_starts=np.array(image_starts, np.int32),
        states=_padded_states(layout, steps),
        state_positions=np.array(state_positions, np.int32),
        actions=actions,
        action_mask=mask & (not is_prompt),
        readout_positions=np.array([list(r) for r in readouts], np.int32),
    )


def shown_actions(layout: Layout, is_last: bool) -> int:
    """How many actions of a step's chunk stand in the sequence as tokens (at most; a prompt's last step shows none)."""
    if is_last:
        return layout.chunk_length if layout.action_tokens else 0
    return layout.stride if layout.past_actions else 0


def pointing(
    layout: Layout,
    control: ControlTokens,
    image: UInt8[np.ndarray, "size size 3"],
    question: Sequence[int],
    targets: Float[np.ndarray, "W A"],
    mask: Bool[np.ndarray, "W A"],
) -> Document:
    """A question about a picture whose answer the readouts regress; the size is `pointing_length`.

    It is a control step of a robot that does nothing but point (the last slot), at a state of zeros.
    """
    step = ControlStep(image[None], np.zeros(layout.state_dim, np.float32))
    prompt = trajectory(layout, control, POINTER_SLOT, question, [step])
    wide = ((0, 0), (0, layout.action_dim - targets.shape[1]))
    return replace(prompt, actions=np.pad(targets, wide)[None], action_mask=np.pad(mask, wide)[None])


def pointing_length(layout: Layout, question_tokens: int) -> int:
    """Tokens of `pointing`."""
    return 2 + question_tokens + layout.latents_per_image + 1 + layout.chunk_length


def pair_length(layout: Layout, caption_tokens: int) -> int:
    """Tokens of `pair`."""
    return layout.latents_per_image + caption_tokens + 2


def trajectory_length(layout: Layout, instruction_tokens: int, steps: int, cameras: int, action_dim: int) -> int:
    """Tokens of `trajectory` for a training window; a prompt is shorter."""
    step = cameras * layout.latents_per_image + 1 + layout.chunk_length
    actions = (steps - 1) * shown_actions(layout, is_last=False) + shown_actions(layout, is_last=True)
    return 3 + instruction_tokens + steps * step + actions * action_dim


def _padded_states(layout: Layout, steps: Sequence[ControlStep]) -> Float[np.ndarray, "T state_dim"]:
    states = np.zeros((len(steps), layout.state_dim), np.float32)
    for row, step in zip(states, steps, strict=True):
        row[: len(step.state)] = step.state
    return states


def _padded_actions(
    layout: Layout, steps: Sequence[ControlStep]
) -> tuple[Float[np.ndarray, "T W A"], Bool[np.ndarray, "T W A"]]:
    actions = np.zeros((len(steps), layout.chunk_length, layout.action_dim), np.float32)
    mask = np.zeros(actions.shape, bool)
    for number, step in enumerate(steps):
        if step.actions is not None and step.mask is not None:
            width = step.actions.shape[1]
            actions[number, :, :width] = step.actions
            mask[number, :, :width] = step.mask[:, None]
    return actions, mask


def _check_images(layout: Layout, images: UInt8[np.ndarray, "n h w 3"]) -> UInt8[np.ndarray, "n size size 3"]:
    size = layout.image_size
    if images.dtype != np.uint8 or images.shape[1:] != (size, size, 3):
        raise DataError(
            f"image: {images.dtype} {images.shape[1:]} is not uint8 ({size}, {size}, 3); resize it with images.fit"
        )
    return images
