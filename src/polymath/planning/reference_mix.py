"""The reference mixture in numbers: 1.5 billion image-text pairs and 50 million robot trajectories.

`draw` makes up the sizes of documents as that mixture has them; `Demand` is its arithmetic, which docs/data.md prints.
What is assumed stands in the fields and is meant to be replaced by one's own counts.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from polymath.data.sequences import sequence
from polymath.data.sequences.packing import Sizes
from polymath.data.sequences.sequence import Layout

LAYOUT = Layout(
    length=4096,
    latents_per_image=64,
    image_size=224,
    max_images=64,
    max_control_steps=32,
    chunk_length=8,
    action_dim=16,
)
# (cameras, width of an action, share of the windows): one arm with one to three cameras, two arms with three.
ROBOTS = ((1, 7, 0.3), (2, 7, 0.4), (3, 7, 0.2), (3, 14, 0.1))
CAPTION = (28.0, 0.6)  # median tokens and spread of the logarithm
INSTRUCTION = (9.0, 0.35)


def draw(rng: np.random.Generator, pairs: int, windows: int, layout: Layout = LAYOUT) -> Sizes:
    """Sizes of `pairs` image-text pairs and `windows` trajectory windows of one control step, shuffled."""
    captions = _lengths(rng, CAPTION, pairs, layout.length - sequence.pair_length(layout, 0))
    table = [(sequence.pair_length(layout, int(n)), 1, 0) for n in captions]
    robots = rng.choice(len(ROBOTS), windows, p=[share for _, _, share in ROBOTS])
    for robot, words in zip(robots.tolist(), _lengths(rng, INSTRUCTION, windows, 64), strict=True):
        cameras, width, _ = ROBOTS[robot]
        table.append((sequence.trajectory_length(layout, int(words), 1, cameras, width), cameras, 1))
    return Sizes(*rng.permutation(np.array(table, np.int64).reshape(-1, 3)).T)


def _lengths(
    rng: np.random.Generator, shape: tuple[float, float], count: int, largest: int
) -> Int[np.ndarray, " count"]:
    median, spread = shape
    return np.clip(np.rint(rng.lognormal(np.log(median), spread, count)), 1, largest).astype(np.int64)


@dataclass(frozen=True)
class Demand:
    """What four weeks of the reference run read. Phases: 90,000 steps of pairs, 36,000 with three quarters robot
    rows.
    """

    pairs: float = 1.5e9
    trajectories: float = 50e6
    control_steps: float = 100.0  # of a trajectory
    alignment_steps: int = 90_000
    robot_steps: int = 36_000
    robot_share: float = 0.75
    rows: int = 2048
    hosts: int = 128
    seconds: float = 28 * 86_400.0
    fill: float = 0.985  # share of a row's tokens that hold documents
    jpeg_bytes: float = 23e3  # of 224 pixels; 29.7 kB were measured at 256 pixels, quality 90
    records_per_shard: int = 1024

    def table(self, layout: Layout = LAYOUT) -> dict[str, float]:
        """Every figure by its name; lengths of documents are the means of `draw`."""
        rng = np.random.default_rng(0)
        pair, window = draw(rng, 20_000, 0, layout), draw(rng, 0, 20_000, layout)
        pair_tokens, window_tokens = float(pair.tokens.mean()), float(window.tokens.mean())
        row = layout.length * self.fill
        windows = self.trajectories * self.control_steps
        pair_rows = self.rows * (self.alignment_steps + self.robot_steps * (1 - self.robot_share))
        robot_rows = self.rows * self.robot_steps * self.robot_share
        records = (self.pairs * pair_tokens + windows * window_tokens) / row
        rows_a_second = self.rows * (self.alignment_steps + self.robot_steps) / self.seconds / self.hosts
        pair_images, window_images = row / pair_tokens, row / window_tokens * float(window.images.mean())
        images = (pair_images * pair_rows + window_images * robot_rows) / (pair_rows + robot_rows)
        return {
            "tokens of a pair": pair_tokens,
            "tokens of a window": window_tokens,
            "images of a window": float(window.images.mean()),
            "tokens of all pairs": self.pairs * pair_tokens,
            "tokens of all windows": windows * window_tokens,
            "tokens trained on": (pair_rows + robot_rows) * layout.length,
            "epochs over the pairs": pair_rows * row / pair_tokens / self.pairs,
            "epochs over the windows": robot_rows * row / window_tokens / windows,
            "windows of each trajectory": robot_rows * row / window_tokens / self.trajectories,
            "images of a row": images,
            "bytes of all pairs' images": self.pairs * self.jpeg_bytes,
            "bytes of all windows' images": windows * float(window.images.mean()) * self.jpeg_bytes,
            "packed records": records,
            "shards": records / self.records_per_shard,
            "bytes of a shard": self.records_per_shard * images * self.jpeg_bytes,
            "seconds a step": self.seconds / (self.alignment_steps + self.robot_steps),
            "rows a second and host": rows_a_second,
            "images a second and host": rows_a_second * images,
            "bytes a second and host": rows_a_second * images * self.jpeg_bytes,
        }
