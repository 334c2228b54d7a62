"""Random-access collections of training documents: their sizes are known at once, their pictures are read on demand."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from jaxtyping import Int, UInt8

from polymath.data.interface import EpisodeSet, PairSet, PointingSet
from polymath.data.sequences import sequence
from polymath.data.sequences.augment import Augmentation
from polymath.data.sequences.packing import Sizes
from polymath.data.sequences.rows import (
    caption_ids,
    check_places,
    check_pointing,
    pair_document,
    pointing_document,
    window_document,
    window_steps,
)
from polymath.data.sequences.sequence import Document, Layout
from polymath.data.sequences.transforms import NO_ABLATION, Ablation, RobotTransform, augmented
from polymath.errors import DataError
from polymath.tokenizer import Tokenizer


class Documents(Protocol):
    """n documents; document i is a pure function of i and of the random numbers for its augmentation."""

    name: str
    sizes: Sizes

    def document(self, index: int, rng: np.random.Generator) -> Document: ...


class PairDocuments:
    """One document per image-text pair. Raises DataError for an empty caption."""

    def __init__(
        self,
        pairs: PairSet,
        layout: Layout,
        tokenizer: Tokenizer,
        augmentation: Augmentation | None = None,
        ablation: Ablation = NO_ABLATION,
    ) -> None:
        if not len(pairs):
            raise DataError(f"{pairs.name}: holds no image-text pair; record or point to another set")
        self.name = pairs.name
        self._pairs, self._layout, self._control = pairs, layout, tokenizer.control
        self._augmentation, self._ablation = augmentation, ablation
        self._captions = [caption_ids(pairs.text(i), tokenizer, f"{self.name}[{i}]") for i in range(len(pairs))]
        tokens = [sequence.pair_length(layout, len(caption)) for caption in self._captions]
        ones = np.ones(len(tokens), np.int64)
        self.sizes = Sizes(np.array(tokens, np.int64), ones, 0 * ones)

    def document(self, index: int, rng: np.random.Generator) -> Document:
        image = _picture(self._pairs, index, self._layout, self._augmentation, self._ablation, rng)
        return pair_document(self._layout, self._control, image, self._captions[index])


class PointingDocuments:
    """One document per pair that carries a question with its answer in numbers. Raises DataError if none does."""

    def __init__(
        self,
        pairs: PointingSet,
        layout: Layout,
        tokenizer: Tokenizer,
        augmentation: Augmentation | None = None,
        ablation: Ablation = NO_ABLATION,
    ) -> None:
        self.name = f"{pairs.name} (pointing)"
        self._pairs, self._layout, self._control = pairs, layout, tokenizer.control
        self._augmentation, self._ablation = augmentation, ablation
        answers = [(index, pairs.pointing(index)) for index in range(len(pairs))]
        self._rows = [(index, answer, tokenizer.encode(answer.question)) for index, answer in answers if answer]
        if not self._rows:
            raise DataError(f"{pairs.name}: no pair carries a pointing question; leave the phase's pointing at 0")
        for index, answer, _ in self._rows:
            check_pointing(answer, layout, f"{self.name}[{index}]")
            if layout.image_fit == "pad":
                check_places(pairs.image(index), layout, f"{self.name}[{index}]")
        tokens = [sequence.pointing_length(layout, len(question)) for _, _, question in self._rows]
        ones = np.ones(len(tokens), np.int64)
        self.sizes = Sizes(np.array(tokens, np.int64), ones, ones)

    def document(self, index: int, rng: np.random.Generator) -> Document:
        pair, answer, question = self._rows[index]
        image = _picture(self._pairs, pair, self._layout, self._augmentation, self._ablation, rng)
        return pointing_document(self._layout, self._control, image, question, answer)


def _picture(
    pairs: PairSet,
    index: int,
    layout: Layout,
    augmentation: Augmentation | None,
    ablation: Ablation,
    rng: np.random.Generator,
) -> UInt8[np.ndarray, "size size 3"]:
    if ablation.blank_images:
        return np.zeros((layout.image_size, layout.image_size, 3), np.uint8)
    return augmented(augmentation, pairs.image(index)[None, None], layout, rng)[0, 0]


class WindowDocuments:
    """One document per control step of every episode: the window that ends there, shorter near the episode's start."""

    def __init__(
        self, episodes: EpisodeSet, transform: RobotTransform, augmentation: Augmentation | None = None
    ) -> None:
        if not len(episodes):
            raise DataError(f"{episodes.name}: holds no episode; record or point to another set")
        if episodes.embodiment != transform.embodiment:
            raise DataError(
                f"{episodes.name}: recorded with robot {episodes.embodiment.name!r}, "
                f"but the run is for {transform.embodiment.name!r}; start a new run directory"
            )
        self.name = episodes.name
        self._episodes, self._transform, self._augmentation = episodes, transform, augmentation
        self._instructions = [transform.instruction_ids(episodes.instruction(i)) for i in range(len(episodes))]
        lengths = np.array([len(episodes.actions(i)) for i in range(len(episodes))])
        self._ends = np.cumsum(lengths)
        self.sizes = self._sizes(lengths)

    def document(self, index: int, rng: np.random.Generator) -> Document:
        episode, step = self.locate(index)
        images = self._pictures(episode, window_steps(self._transform.layout, step), rng)
        states, actions = self._episodes.states(episode), self._episodes.actions(episode)
        return window_document(self._transform, self._instructions[episode], step, images, states, actions)

    def _pictures(
        self, episode: int, steps: Sequence[int], rng: np.random.Generator
    ) -> UInt8[np.ndarray, "steps C size size 3"]:
        layout, transform = self._transform.layout, self._transform
        size = layout.image_size
        if transform.ablation.blank_images:
            return np.zeros((len(steps), len(transform.embodiment.cameras), size, size, 3), np.uint8)
        return augmented(self._augmentation, self._episodes.frames(episode, steps), layout, rng)

    def locate(self, index: int) -> tuple[int, int]:
        """(episode, control step) at which the window `index` ends."""
        episode = int(np.searchsorted(self._ends, index, side="right"))
        return episode, index - (int(self._ends[episode - 1]) if episode else 0)

    def _sizes(self, lengths: Int[np.ndarray, " episodes"]) -> Sizes:
        layout, robot = self._transform.layout, self._transform.embodiment
        cameras = len(robot.cameras)
        tokens, steps = [], []
        for length, instruction in zip(lengths, self._instructions, strict=True):
            window = np.minimum(np.arange(length) // layout.stride + 1, layout.window)
            by_steps = [
                sequence.trajectory_length(layout, len(instruction), n, cameras, robot.action_dim)
                for n in range(1, layout.window + 1)
            ]
            tokens.append(np.array(by_steps)[window - 1])
            steps.append(window)
        control_steps = np.concatenate(steps)
        return Sizes(np.concatenate(tokens), control_steps * cameras, control_steps)
