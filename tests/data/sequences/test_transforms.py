"""Training and control share one transform: a prompt must be the training document up to its readouts."""

import dataclasses

import numpy as np
import pytest
from tests.data.memory_pairs import MemoryPairs

from polymath.data.formats.memory import MemoryEpisodes, check_episode
from polymath.data.robots.statistics import of_episodes
from polymath.data.sequences.documents import PairDocuments, PointingDocuments, WindowDocuments
from polymath.data.sequences.sequence import Layout
from polymath.data.sequences.transforms import Ablation, RobotTransform, pad_chunk
from polymath.errors import ConfigError, DataError
from polymath.tokenizer import Tokenizer
from polymath.types import Embodiment, Episode, ImageText, Observation, Pointing

LAYOUT = Layout(
    length=128,
    latents_per_image=2,
    image_size=8,
    max_images=8,
    max_control_steps=4,
    chunk_length=3,
    action_dim=3,
    state_dim=4,
    window=2,
    stride=2,
)
ANY = np.random.default_rng(0)


@pytest.fixture
def episode(make_episode) -> Episode:
    return make_episode(0, steps=7, size=12)


@pytest.fixture
def transform(robot: Embodiment, episode: Episode, tokenizer: Tokenizer) -> RobotTransform:
    return RobotTransform(LAYOUT, tokenizer, robot, of_episodes(MemoryEpisodes(robot, [episode])))


def observe(episode: Episode, step: int) -> Observation:
    images = {camera: frames[step] for camera, frames in episode.images.items()}
    return Observation(images, episode.states[step], episode.instruction, episode.embodiment)


@pytest.mark.parametrize("ablation", [Ablation(), Ablation(True, False), Ablation(False, True), Ablation(True, True)])
def test_a_prompt_is_the_training_document_up_to_its_readouts(
    robot: Embodiment, episode: Episode, transform: RobotTransform, ablation: Ablation
) -> None:
    transform = dataclasses.replace(transform, ablation=ablation)
    documents = WindowDocuments(MemoryEpisodes(robot, [episode]), transform)
    whole = documents.document(5, ANY)  # control steps 3 and 5
    prompt = transform.prompt([observe(episode, 3), observe(episode, 5)], executed=[episode.actions[3:5]])
    length = len(prompt.tokens)
    np.testing.assert_array_equal(prompt.tokens, whole.tokens[:length])
    assert whole.tokens[length] >= 256  # what follows is the first action token
    for name in ("images", "image_starts", "states", "state_positions", "readout_positions"):
        np.testing.assert_array_equal(getattr(prompt, name), getattr(whole, name), err_msg=name)
    assert bool(prompt.images.any()) != ablation.blank_images
    words = transform.tokenizer.encode(episode.instruction)
    assert (prompt.tokens[2 : 2 + len(words)].tolist() == words) != ablation.blank_instruction


def test_windows_and_chunks_at_the_edges_of_an_episode(
    robot: Embodiment, episode: Episode, transform: RobotTransform
) -> None:
    documents = WindowDocuments(MemoryEpisodes(robot, [episode, episode]), transform)
    assert documents.locate(0) == (0, 0)
    assert documents.locate(6) == (0, 6)
    assert documents.locate(7) == (1, 0)
    normalised = transform.statistics.normalise_action(episode.actions, robot.gripper_dims)
    states = transform.statistics.normalise_state(episode.states)
    first, last = documents.document(0, ANY), documents.document(6, ANY)
    assert len(first.states) == 1  # nothing came before
    np.testing.assert_array_equal(first.actions[0, :, :2], normalised[0:3])
    assert len(last.states) == 2
    np.testing.assert_array_equal(last.states[:, :3], states[[4, 6]])
    # the last step has one action left: it is repeated, and masked from then on
    np.testing.assert_array_equal(last.actions[1, :, :2], normalised[[6, 6, 6]])
    assert last.action_mask[1].tolist() == [[True, True, False], [False] * 3, [False] * 3]
    assert last.loss_weights[-7:].tolist() == [1, 1, 0, 0, 0, 0, 0]  # 3 x 2 action tokens and <eos>
    for index in range(14):
        document = documents.document(index, ANY)
        expected = (len(document.tokens), len(document.images), len(document.states))
        assert tuple(documents.sizes.table()[index]) == expected


def test_pairs(pairs: list[ImageText], tokenizer: Tokenizer) -> None:
    documents = PairDocuments(MemoryPairs(pairs), LAYOUT, tokenizer)
    for index in (0, 7, 39):
        document = documents.document(index, ANY)
        assert tuple(documents.sizes.table()[index]) == (len(document.tokens), 1, 0)
        assert tokenizer.decode(document.tokens[3:-1]) == pairs[index].text
        assert (document.images == index).all()
    blind = PairDocuments(MemoryPairs(pairs), LAYOUT, tokenizer, ablation=Ablation(blank_images=True))
    assert not blind.document(7, ANY).images.any()


def test_the_chunk_comes_back_in_the_robots_units(episode: Episode, transform: RobotTransform) -> None:
    normalised = np.zeros((3, 3), np.float32)  # the third dimension is padding
    normalised[:, :2] = transform.statistics.normalise_action(episode.actions[:3], (1,))
    inside = np.abs(normalised[:, :2]) < 1.5
    actions = transform.chunk(normalised, episode.states[0]).actions
    assert actions.shape == (3, 2)
    np.testing.assert_allclose(actions[inside], episode.actions[:3][inside], atol=1e-5)


@pytest.fixture
def deltas(robot: Embodiment, make_episode, tokenizer: Tokenizer) -> RobotTransform:
    """The transform of a robot whose first action is a difference from the second entry of its state."""
    episode = make_episode(0, steps=7, size=12)
    statistics = of_episodes(MemoryEpisodes(robot, [episode]), "min-max")
    return RobotTransform(LAYOUT, tokenizer, robot, dataclasses.replace(statistics, subtracted=(1, None)))


def test_every_step_of_a_window_is_relative_to_its_own_state(
    robot: Embodiment, episode: Episode, deltas: RobotTransform
) -> None:
    """Expected: each step's chunk minus that step's state, normalised; the gripper alone is as it was recorded."""
    whole = WindowDocuments(MemoryEpisodes(robot, [episode]), deltas).document(5, ANY)  # control steps 3 and 5
    for slot, step in enumerate((3, 5)):
        chunk = pad_chunk(episode.actions[step : step + 3], 3).astype(np.float64)
        chunk[:, 0] -= episode.states[step, 1]
        expected = deltas.statistics.normalise_action(chunk, robot.gripper_dims)
        np.testing.assert_array_equal(whole.actions[slot, :, :2], expected)
    prompt = deltas.prompt([observe(episode, 3), observe(episode, 5)], executed=[episode.actions[3:5]])
    np.testing.assert_array_equal(prompt.tokens, whole.tokens[: len(prompt.tokens)])


def test_a_chunk_of_deltas_comes_back_by_the_same_state(episode: Episode, deltas: RobotTransform) -> None:
    """What training takes from the actions is added again; with another state another action comes out."""
    for step in range(5):
        chunk, state = episode.actions[step : step + 2], episode.states[step]
        normalised = np.pad(deltas.normalised(chunk, state), ((0, 0), (0, 1)))
        inside = np.abs(normalised[:, :2]) < 1.5
        np.testing.assert_allclose(deltas.chunk(normalised, state).actions[inside], chunk[inside], atol=1e-5)
        moved = deltas.chunk(normalised, state + 1).actions - deltas.chunk(normalised, state).actions
        np.testing.assert_allclose(moved, [[1, 0], [1, 0]], atol=1e-5)


def test_committed_actions_are_relative_to_the_newest_state(episode: Episode, deltas: RobotTransform) -> None:
    transform = dataclasses.replace(deltas, committed=2)
    step = transform.observed(observe(episode, 3), episode.actions[3:5])
    np.testing.assert_array_equal(step.committed, transform.normalised(episode.actions[3:5], episode.states[3]))


def wide(episode: Episode) -> Episode:
    """The same with pictures twice as wide as they are high."""
    images = {name: np.concatenate([frames, frames], axis=2) for name, frames in episode.images.items()}
    return dataclasses.replace(episode, images=images)


def test_pictures_are_padded_alike_in_training_and_control(
    robot: Embodiment, episode: Episode, transform: RobotTransform
) -> None:
    """12 x 24 pixels become 4 x 8 between two black bars of 2 rows."""
    episode = wide(episode)
    padded = dataclasses.replace(transform, layout=dataclasses.replace(LAYOUT, image_fit="pad"))
    document = WindowDocuments(MemoryEpisodes(robot, [episode]), padded).document(0, ANY)
    prompt = padded.prompt([observe(episode, 0)])
    np.testing.assert_array_equal(prompt.images, document.images)
    assert not document.images[:, [0, 1, 6, 7]].any()
    assert document.images[:, 2:6].any(axis=(1, 2, 3)).all() or not episode.images[robot.cameras[0]][0].any()
    stretched = transform.prompt([observe(episode, 0)])
    assert (stretched.images != prompt.images).any()


def test_a_pointing_question_about_a_picture_that_padding_would_move_is_refused(tokenizer: Tokenizer) -> None:
    """Its numbers name columns and rows as shares of the sides; a square picture and stretching keep them."""
    answer = Pointing("the puck", np.zeros((3, 2), np.float32), np.ones((3, 2), bool))
    padded = dataclasses.replace(LAYOUT, image_fit="pad")
    sets = {shape: PointingPairs([ImageText(np.zeros((*shape, 3), np.uint8), "a puck")], answer) for shape in SHAPES}
    for shape in SHAPES:
        PointingDocuments(sets[shape], LAYOUT, tokenizer)
    PointingDocuments(sets[12, 12], padded, tokenizer)
    with pytest.raises(
        DataError, match=r"\(pointing\)\[0\].pointing: .* picture of 24 x 12, which layout.image_fit=pad"
    ):
        PointingDocuments(sets[12, 24], padded, tokenizer)


SHAPES = ((12, 12), (12, 24))


class PointingPairs(MemoryPairs):
    """Pairs that all carry the same answer."""

    def __init__(self, pairs: list[ImageText], answer: Pointing) -> None:
        super().__init__(pairs)
        self._answer = answer

    def pointing(self, index: int) -> Pointing:
        return self._answer


def test_pad_chunk_repeats_the_last() -> None:
    assert pad_chunk(np.array([[1.0], [2.0]]), 4).ravel().tolist() == [1, 2, 2, 2]


def test_observations_of_the_wrong_kind(episode: Episode, transform: RobotTransform) -> None:
    good = observe(episode, 0)
    replace = dataclasses.replace
    cases = [
        (replace(good, embodiment="other"), r"observation\.embodiment: 'other'.*drives 'arm'"),
        (replace(good, images={"front": good.images["front"]}), r"observation\.images: no camera 'wrist'.*send front"),
        (replace(good, state=np.zeros(2)), r"observation\.state: 2 dimensions"),
        (replace(good, state=np.full(3, np.nan)), r"observation\.state: holds NaN"),
        (replace(good, instruction=" "), r"instruction: is empty"),
        (replace(good, instruction=None), r"instruction: is missing \(None\)"),
        (dataclasses.asdict(good), r"observation: a dict; give a polymath\.Observation\(.*'arm'\)"),
        ([good], r"observation: a list; give a polymath\.Observation"),
        (
            replace(good, images={c: i / 255 for c, i in good.images.items()}),
            r"observation\.images\['front'\]: float64 .*not uint8",
        ),
        (
            replace(good, instruction="push " * 200),
            r"instruction: with its \d+ tokens .* had 128 at most \(layout\.length\)",
        ),
    ]
    for observation, message in cases:
        with pytest.raises(DataError, match=message):
            transform.prompt([observation])
    with pytest.raises(DataError, match=r"3 with 2 executed.*layout\.window"):
        transform.prompt([good] * 3, [episode.actions[:2]] * 2)
    with pytest.raises(DataError, match=r"executed actions: shape \(1, 2\)"):
        transform.prompt([good] * 2, [episode.actions[:1]])


def test_a_transform_of_mismatched_parts_is_refused(robot: Embodiment, transform: RobotTransform) -> None:
    wider = dataclasses.replace(robot, state_names=("x", "y", "z", "g"))
    with pytest.raises(DataError, match=r"statistics\.state: 3 dimensions"):
        dataclasses.replace(transform, embodiment=wider)
    with pytest.raises(ConfigError, match=r"layout\.action_dim: 1, but robot 'arm' needs 2"):
        dataclasses.replace(transform, layout=dataclasses.replace(LAYOUT, action_dim=1))


def test_a_run_of_another_robot_is_refused(robot: Embodiment, episode: Episode, transform: RobotTransform) -> None:
    other = dataclasses.replace(robot, name="other")
    episodes = MemoryEpisodes(other, [dataclasses.replace(episode, embodiment="other")])
    with pytest.raises(DataError, match=r"recorded with robot 'other'.*for 'arm'"):
        WindowDocuments(episodes, transform)


def test_episodes_that_do_not_fit_the_robot(robot: Embodiment, episode: Episode) -> None:
    replace = dataclasses.replace
    actions = episode.actions.copy()
    actions[4, 1] = np.nan
    cases = [
        (replace(episode, actions=episode.actions[:, :1]), r"ep\.actions: width 1, but robot 'arm' has 2"),
        (replace(episode, actions=actions), r"ep\.actions: NaN or infinity at control step 4"),
        (replace(episode, states=episode.states[:3]), r"ep\.states: 3 steps, but 7 actions"),
        (replace(episode, instruction=""), r"ep\.instruction: is empty"),
        (replace(episode, images={"front": episode.images["front"]}), r"ep\.images: cameras \['front'\]"),
        (replace(episode, embodiment="other"), r"ep: recorded with robot 'other'"),
        (replace(episode, actions=np.zeros((0, 2))), r"ep: has no control step"),
        (replace(episode, images={c: v.astype(float) for c, v in episode.images.items()}), r"float64.*not uint8"),
    ]
    for bad, message in cases:
        with pytest.raises(DataError, match=message):
            check_episode(bad, robot, "ep")
