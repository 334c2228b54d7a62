"""Sequences written out by hand after the drawing in the module's docstring."""

import dataclasses

import numpy as np
import pytest

from polymath.data.sequences.sequence import ControlStep, Layout, pair, pair_length, trajectory, trajectory_length
from polymath.errors import ConfigError, DataError
from polymath.tokenizer import ControlTokens

CONTROL = ControlTokens(512)
PAD, BOS, EOS, IMG, STATE = range(5)
ACT = [64, 65]
ROBOT = CONTROL.robot(7)
LAYOUT = Layout(
    length=64,
    latents_per_image=3,
    image_size=8,
    max_images=4,
    max_control_steps=2,
    chunk_length=2,
    action_dim=3,
    state_dim=4,
    window=2,
)


def step(shade: int, actions: list[list[float]] | None, real: int = 2, cameras: int = 1) -> ControlStep:
    images = np.full((cameras, 8, 8, 3), shade, np.uint8)
    state = np.array([shade, -shade], np.float32)
    if actions is None:
        return ControlStep(images, state)
    return ControlStep(images, state, np.array(actions, np.float32), np.arange(2) < real)


def bins(*values: float) -> list[int]:
    return [256 + int(np.floor((v + 1) * 128)) for v in values]


def test_an_image_text_pair() -> None:
    image = np.full((8, 8, 3), 9, np.uint8)
    document = pair(LAYOUT, CONTROL, image, [600, 601])
    assert document.tokens.tolist() == [BOS, IMG, IMG, IMG, 600, 601, EOS]
    assert document.loss_weights.tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert document.image_starts.tolist() == [1]
    assert (document.images == image).all()
    assert len(document.states) == 0
    assert len(document.tokens) == pair_length(LAYOUT, 2)


def test_a_window_of_two_steps_shows_the_executed_actions_of_the_first() -> None:
    steps = [step(1, [[0.1, 0.2], [0.3, 0.4]]), step(2, [[0.5, 0.6], [0.7, 0.8]], real=1)]
    document = trajectory(LAYOUT, CONTROL, 7, [700, 701], steps)
    first = [IMG, IMG, IMG, STATE, *ACT, *bins(0.1, 0.2)]
    second = [IMG, IMG, IMG, STATE, *ACT, *bins(0.5, 0.6, 0.7, 0.8)]
    assert document.tokens.tolist() == [BOS, ROBOT, 700, 701, *first, *second, EOS]
    #                                    the second action of the last chunk lies beyond the end of the episode
    weights = [0] * 4 + [0] * 6 + [1, 1] + [0] * 6 + [1, 1, 0, 0] + [0]
    assert document.loss_weights.tolist() == weights
    assert document.image_starts.tolist() == [4, 12]
    assert document.state_positions.tolist() == [7, 15]
    assert document.readout_positions.tolist() == [[8, 9], [16, 17]]
    assert document.states.tolist() == [[1, -1, 0, 0], [2, -2, 0, 0]]
    np.testing.assert_allclose(document.actions[0], [[0.1, 0.2, 0], [0.3, 0.4, 0]], rtol=1e-6)
    # the third dimension is padding: this robot has two
    assert document.action_mask.tolist() == [[[True, True, False]] * 2, [[True, True, False], [False] * 3]]
    assert len(document.tokens) == trajectory_length(LAYOUT, 2, steps=2, cameras=1, action_dim=2)


def test_past_actions_can_be_hidden() -> None:
    layout = dataclasses.replace(LAYOUT, past_actions=False)
    steps = [step(1, [[0.1, 0.2], [0.3, 0.4]]), step(2, [[0.5, 0.6], [0.7, 0.8]])]
    document = trajectory(layout, CONTROL, 7, [700], steps)
    first, second = [IMG, IMG, IMG, STATE, *ACT], [IMG, IMG, IMG, STATE, *ACT, *bins(0.5, 0.6, 0.7, 0.8)]
    assert document.tokens.tolist() == [BOS, ROBOT, 700, *first, *second, EOS]
    assert document.action_mask.any(axis=(1, 2)).all()  # the action head still learns at both steps
    assert len(document.tokens) == trajectory_length(layout, 1, steps=2, cameras=1, action_dim=2)


def test_the_chunk_can_stand_in_no_tokens() -> None:
    """The action head alone learns it; what was carried out before is still shown."""
    layout = dataclasses.replace(LAYOUT, action_tokens=False)
    steps = [step(1, [[0.1, 0.2], [0.3, 0.4]]), step(2, [[0.5, 0.6], [0.7, 0.8]])]
    document = trajectory(layout, CONTROL, 7, [700], steps)
    first, second = [IMG, IMG, IMG, STATE, *ACT, *bins(0.1, 0.2)], [IMG, IMG, IMG, STATE, *ACT]
    assert document.tokens.tolist() == [BOS, ROBOT, 700, *first, *second, EOS]
    assert document.action_mask.any(axis=(1, 2)).all()
    assert len(document.tokens) == trajectory_length(layout, 1, steps=2, cameras=1, action_dim=2)


def test_two_cameras_stand_side_by_side() -> None:
    document = trajectory(LAYOUT, CONTROL, 7, [], [step(1, [[0.0, 0.0], [0.0, 0.0]], cameras=2)])
    assert document.tokens.tolist()[:9] == [BOS, ROBOT, *[IMG] * 6, STATE]
    assert document.image_starts.tolist() == [2, 5]
    assert len(document.tokens) == trajectory_length(LAYOUT, 0, steps=1, cameras=2, action_dim=2)


@pytest.mark.parametrize("past_actions", [True, False])
def test_a_prompt_is_the_training_sequence_up_to_the_readouts(past_actions: bool) -> None:
    layout = dataclasses.replace(LAYOUT, past_actions=past_actions)
    past, now = [[0.1, 0.2], [0.3, 0.4]], [[0.5, 0.6], [0.7, 0.8]]
    whole = trajectory(layout, CONTROL, 7, [700], [step(1, past), step(2, now)])
    prompt = trajectory(layout, CONTROL, 7, [700], [step(1, past), step(2, None)])
    assert prompt.tokens.tolist() == whole.tokens.tolist()[:-5]  # two actions of two dimensions, and <eos>
    assert prompt.tokens[-1] == ACT[-1]
    assert not prompt.loss_weights.any()
    assert not prompt.action_mask.any()
    for name in ("images", "image_starts", "states", "state_positions", "readout_positions"):
        np.testing.assert_array_equal(getattr(prompt, name), getattr(whole, name))


def test_no_act_position_comes_after_a_token_of_its_own_targets() -> None:
    chunks = [[[0.1, 0.2], [0.3, 0.4]], [[0.3, 0.4], [0.7, 0.8]]]  # actions[1] is both past chunk's end and next target
    document = trajectory(LAYOUT, CONTROL, 7, [], [step(i, chunk) for i, chunk in enumerate(chunks)])
    seen = document.tokens[: document.readout_positions[1, 0]].tolist()
    assert bins(0.3)[0] not in seen


def test_pictures_of_another_size_are_refused() -> None:
    with pytest.raises(DataError, match=r"image: uint8 \(4, 4, 3\).*resize"):
        pair(LAYOUT, CONTROL, np.zeros((4, 4, 3), np.uint8), [600])


@pytest.mark.parametrize(("field", "value"), [("length", 0), ("window", 0), ("stride", 3)])
def test_impossible_layouts(field: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"layout.{field}"):
        dataclasses.replace(LAYOUT, **{field: value})
