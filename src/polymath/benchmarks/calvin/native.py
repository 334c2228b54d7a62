"""Demonstrations in CALVIN's own layout, which the official loaders and `CalvinEpisodes` read.

    OUT/training/episode_0000000.npz …       one file a frame: rgb_static, rgb_gripper, robot_obs, scene_obs (float32),
                                             rel_actions (what the policy answers), actions (the pose they lead to)
    OUT/training/ep_start_end_ids.npy        first and last frame of each episode, int64 [n, 2]; ep_lens.npy beside it
    OUT/training/scene_info.npy              scene -> its first and last frame
    OUT/training/statistics.yaml             means, deviations and bounds in the form that the official loaders expect
    OUT/training/lang_annotations/auto_lang_ann.npy

The last file and scene_info.npy hold one dict each, in the pickled form that NumPy gives it and the official loaders
expect. Sentence embeddings ("emb") are NaN, since no language model is at hand: compute them with CALVIN's own
`auto_lang_ann.py`, or read the sentences.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from polymath.data.files.whole_writer import WholeDirectoryWriter
from polymath.errors import DataError
from polymath.types import Episode

EMBEDDING = 384  # numbers of the official sentence embeddings (MiniLM)
SCENE_OBS, ABSOLUTE = "scene_obs", "actions"
NORMALIZER = "calvin_agent.utils.transforms.NormalizeVector"


class CalvinWriter(WholeDirectoryWriter):
    """`with CalvinWriter(out) as writer: writer.add(episode, extras)`: the directory appears whole, or not at all.

    `extras` has scene_obs, float32 [T, 24], and actions, float32 [T, 7], absolute. Frames of one scene must follow one
    another, as `scene_info` says where each scene's are.
    """

    def __init__(self, out: Path) -> None:
        super().__init__(out)
        self._split = self._root / "training"
        (self._split / "lang_annotations").mkdir(parents=True)
        self._spans: list[tuple[int, int]] = []
        self._sentences: list[str] = []
        self._tasks: list[str] = []
        self._scenes: dict[str, list[int]] = {}
        self._columns: dict[str, list[np.ndarray]] = {"robot_obs": [], "scene_obs": [], "actions": []}
        self._frames = 0

    def add(self, episode: Episode, extras: Mapping[str, np.ndarray]) -> None:
        """Append one episode. Raises DataError where `extras` lack an array or it has another length."""
        steps = len(episode.actions)
        for name in (SCENE_OBS, ABSOLUTE):
            if name not in extras or len(extras[name]) != steps:
                raise DataError(
                    f"episode {len(self._spans)}: the worker sent no {name} of {steps} rows; set it up anew"
                )
        vectors = {
            "robot_obs": episode.states,
            "scene_obs": extras[SCENE_OBS].astype(np.float32),
            "actions": extras[ABSOLUTE].astype(np.float32),
            "rel_actions": episode.actions,
        }
        for step in range(steps):
            arrays = {name: values[step] for name, values in vectors.items()}
            pictures = {camera: images[step] for camera, images in episode.images.items()}
            np.savez_compressed(self._split / f"episode_{self._frames + step:07d}.npz", **arrays, **pictures)
        for name, columns in self._columns.items():
            columns.append(vectors[name])
        self._note(episode, steps)

    def close(self) -> None:
        """Write what is known of the whole set, then give the directory its name. Raises DataError if it is empty."""
        with self._stack:
            if not self._spans:
                raise DataError("no episode was recorded; nothing was written")
            spans = np.array(self._spans)
            np.save(self._split / "ep_start_end_ids.npy", spans)
            np.save(self._split / "ep_lens.npy", spans[:, 1] - spans[:, 0] + 1)
            _save_dict(self._split / "scene_info.npy", self._scenes)
            embeddings = np.full((len(spans), 1, EMBEDDING), np.nan, np.float32)
            language = {"ann": self._sentences, "task": self._tasks, "emb": embeddings}
            annotations = {"language": language, "info": {"episodes": [], "indx": self._spans}}
            _save_dict(self._split / "lang_annotations" / "auto_lang_ann.npy", annotations)
            (self._split / "statistics.yaml").write_text(self._statistics())

    def _note(self, episode: Episode, steps: int) -> None:
        last = self._frames + steps - 1
        self._spans.append((self._frames, last))
        self._sentences.append(episode.instruction)
        self._tasks.append(episode.task)
        scene = f"calvin_scene_{episode.metadata['split']}"
        if scene in self._scenes and self._scenes[scene][1] != self._frames - 1:
            raise DataError(f"{scene}: its episodes do not follow one another; record one split after the other")
        self._scenes.setdefault(scene, [self._frames, last])[1] = last
        self._frames += steps

    def _statistics(self) -> str:
        """YAML, of which JSON values are a part."""
        robot, scene, actions = (np.concatenate(columns) for columns in self._columns.values())
        lines = []
        for name, values in (("robot_obs", robot), ("scene_obs", scene)):
            lines += [f"{name}:", f"- _target_: {NORMALIZER}"]
            lines += [f"  mean: {_numbers(values.mean(0))}", f"  std: {_numbers(values.std(0))}"]
        lines += [f"act_min_bound: {_numbers(actions.min(0))}", f"act_max_bound: {_numbers(actions.max(0))}"]
        return "\n".join(lines) + "\n"


def _numbers(values: Float[np.ndarray, " n"]) -> str:
    return json.dumps(values.astype(np.float64).tolist())


def _save_dict(path: Path, content: Mapping[str, Any]) -> None:
    np.save(path, np.array(dict(content), dtype=object), allow_pickle=True)
