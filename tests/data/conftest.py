"""A small robot, its episodes and a tokenizer, shared by the tests of this room."""

from collections.abc import Callable

import numpy as np
import pytest

from polymath.tokenizer import ControlTokens, Tokenizer, corpus, train
from polymath.types import Embodiment, Episode, ImageText

MakeEpisode = Callable[..., Episode]


@pytest.fixture(scope="session")
def robot() -> Embodiment:
    return Embodiment("arm", 3, ("front", "wrist"), ("x", "y", "g"), ("dx", "g"), (1,), 10.0)


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return train(corpus.shipped(), 1024, ControlTokens(512))


@pytest.fixture(scope="session")
def make_episode(robot: Embodiment) -> MakeEpisode:
    """`make_episode(seed, steps, size)`: pictures tell step and camera by brightness, all else is random."""

    def make(seed: int, steps: int = 6, size: int = 8, instruction: str = "push the cube") -> Episode:
        rng = np.random.default_rng(seed)
        shade = np.add.outer(10 * np.arange(steps), np.zeros((size, size, 3), int))
        return Episode(
            images={camera: (shade + 5 * c).astype(np.uint8) for c, camera in enumerate(robot.cameras)},
            states=rng.normal(size=(steps, 3)).astype(np.float32),
            actions=rng.uniform(-1, 1, (steps, 2)).astype(np.float32),
            instruction=instruction,
            task="push",
            embodiment=robot.name,
            metadata={"seed": seed},
        )

    return make


@pytest.fixture(scope="session")
def pairs() -> list[ImageText]:
    """Forty pictures of one shade each, with captions of different lengths."""
    words = ["the", "red", "cube", "stands", "behind", "the", "blue", "cup", "near", "the", "green", "bottle"]
    return [ImageText(np.full((8, 8, 3), i, np.uint8), " ".join(words[: 2 + i % 10])) for i in range(40)]
