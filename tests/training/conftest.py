"""A small data set and tokenizer to train on, made once for all tests of this room."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Regex, models, pre_tokenizers
from tokenizers import Tokenizer as HFTokenizer

from polymath.data.formats.lerobot.writer import LeRobotWriter
from polymath.data.formats.webdataset.writer import WebDatasetWriter
from polymath.tokenizer import ControlTokens, corpus
from polymath.tokenizer import train as train_tokenizer
from polymath.training.datasets import TrainingData
from polymath.types import Embodiment, Episode, ImageText

LLAMA = Path(__file__).parents[1] / "fixtures" / "llama"
ROBOT = Embodiment(
    name="test-arm",
    slot=0,
    cameras=("front",),
    state_names=("x", "y", "z", "gripper"),
    action_names=("dx", "dy", "dz", "gripper"),
    gripper_dims=(3,),
    control_hz=20.0,
)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    """Six episodes of noise, twelve captioned pictures, a tokenizer of the demo's size."""
    place, rng = tmp_path_factory.mktemp("training-data"), np.random.default_rng(0)
    with LeRobotWriter(place / "episodes", ROBOT, 20, 64, False, {"renderer": "none"}) as writer:
        for _ in range(6):
            writer.add(_episode(rng))
    with WebDatasetWriter(place / "pairs") as pairs:
        for number in range(12):
            image = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
            answer = {"question": "the cup", "targets": [[0.1 * number] * 4] * 4, "mask": [[True] * 4] * 4}
            pairs.add(ImageText(image, f"picture {number} shows noise"), {"pointing": answer})
    tokenizer = train_tokenizer(corpus.shipped(), 2048, ControlTokens(512))
    tokenizer.save(place / "tokenizer.json")
    return TrainingData(place / "episodes", place / "tokenizer.json", (place / "pairs",))


def _episode(rng: np.random.Generator) -> Episode:
    return Episode(
        images={"front": rng.integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)},
        states=rng.normal(size=(5, 4)).astype(np.float32),
        actions=rng.uniform(-1, 1, (5, 4)).astype(np.float32),
        instruction="press the button",
        task="press",
        embodiment=ROBOT.name,
    )


@pytest.fixture
def language(tmp_path: Path) -> Path:
    """The toy LLaMA with a tokenizer of single letters: letter number i of the alphabet has id 10 + i."""
    folder = tmp_path / "llama"
    shutil.copytree(LLAMA / "plain", folder)
    letters = {chr(ord("a") + i): 10 + i for i in range(26)}
    engine = HFTokenizer(models.WordLevel({"?": 0, " ": 1, **letters}, unk_token="?"))
    engine.pre_tokenizer = pre_tokenizers.Split(Regex("."), behavior="isolated")
    engine.save(str(folder / "tokenizer.json"))
    return folder
