"""One reader, measured in the interpreter that has it: called by `benchmarks/data.py`.

    python benchmarks/contenders/readers.py READER DIRECTORY COUNT      prints {"count": …, "seconds": …} of CPU

Seconds are user and system time of the process with all its threads and children, from an open set on.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SIZE = 224  # pixels, where pictures are fitted to a model
CHUNK = 8  # a window: the pictures and the state of one control step, and the actions of this many from there


def measured(work: Callable[[], int]) -> dict[str, float]:
    before = os.times()
    count = work()
    return {"count": count, "seconds": sum(os.times()[:4]) - sum(before[:4])}


def polymath_rlds(directory: Path, count: int) -> dict[str, float]:
    """Every field of every step, every camera decoded, as tfds does."""
    from polymath.data.files.images import decode
    from polymath.data.formats.rlds.reader import RldsEpisodes
    from polymath.data.formats.rlds.schema import generic

    fields = generic(RldsEpisodes(directory).features, "benchmark")

    def episode(source: RldsEpisodes, index: int) -> int:
        for camera in fields.images:
            for encoded in source.field(index, camera):
                decode(encoded, camera)
        source.field(index, fields.instruction)
        source.states(index)
        return len(source.actions(index))

    return _episodes(lambda: RldsEpisodes(directory, fields=fields), episode, count)


def polymath_fitted(directory: Path, count: int) -> dict[str, float]:
    """What training takes: the cameras of the field map at the model's size, states, standardised actions."""
    from polymath.data.formats.rlds.reader import RldsEpisodes

    def episode(source: RldsEpisodes, index: int) -> int:
        steps = len(source.actions(index))
        source.frames(index, range(steps))
        source.field(index, source.fields.instruction)
        source.states(index)
        return steps

    return _episodes(lambda: RldsEpisodes(directory, image_size=SIZE), episode, count)


def _episodes(opening: Callable[[], Any], read: Callable[[Any, int], int], count: int) -> dict[str, float]:
    def work() -> int:
        steps = 0
        while steps < count:
            source = opening()  # with an empty cache
            for index in range(len(source)):
                steps += read(source, index)
                if steps >= count:
                    break
        return steps

    read(opening(), 0)
    return measured(work)


def tfds_episodes(directory: Path, count: int) -> dict[str, float]:
    """Episode by episode, with their steps as data sets inside."""
    data = _tfds(directory)

    def work() -> int:
        steps = 0
        for episode in data:
            for step in episode["steps"]:
                steps += len(step["action"]) > 0
            if steps >= count:
                break
        return steps

    return measured(work)


def tfds_steps(directory: Path, count: int) -> dict[str, float]:
    """One stream of steps in numpy."""
    data = _tfds(directory).flat_map(lambda episode: episode["steps"])
    return measured(lambda: _drain(data, count))


def tfds_fitted(directory: Path, count: int) -> dict[str, float]:
    """Two cameras decoded and fitted to the model's size with an area-aware bilinear filter, like ours."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    cameras = ("image_0", "image_1")
    others = {name: tfds.decode.SkipDecoding() for name in ("image_2", "image_3")}

    def fitted(step: Any) -> Any:
        for camera in cameras:
            picture = tf.image.resize(step["observation"][camera], (SIZE, SIZE), antialias=True)
            step["observation"][camera] = tf.cast(tf.round(picture), tf.uint8)
        return step

    data = _tfds(directory, {"steps": {"observation": others}}).flat_map(lambda episode: episode["steps"])
    return measured(lambda: _drain(data.map(fitted), count))


def _tfds(directory: Path, decoders: Any = None) -> Any:
    import tensorflow_datasets as tfds

    version = next(iter(sorted(directory.glob("*/features.json")))).parent
    builder = tfds.builder_from_directory(version)
    data = builder.as_dataset(split="train", shuffle_files=False, decoders=decoders).repeat()
    next(iter(data))
    return data


def _drain(data: Any, count: int) -> int:
    import tensorflow_datasets as tfds

    steps = 0
    for step in tfds.as_numpy(data):
        steps += len(step["action"]) > 0
        if steps >= count:
            break
    return steps


def polymath_lerobot(directory: Path, count: int) -> dict[str, float]:
    """Random windows from a set whose cache keeps no picture: every one is sought and decoded."""
    from polymath.data.formats.lerobot.reader import LeRobotEpisodes

    source = LeRobotEpisodes(directory, cache_bytes=1)
    read, size = _windows(source)
    return _random(read, size, count)


def polymath_epoch(directory: Path, count: int) -> dict[str, float]:
    """With the cache as it is by default: all windows once in random order, whatever `count` is."""
    from polymath.data.formats.lerobot.reader import LeRobotEpisodes

    read, size = _windows(LeRobotEpisodes(directory))
    order = [int(index) for index in np.random.default_rng(0).permutation(size)]
    return measured(lambda: sum(read(index) for index in order))


def _windows(source: Any) -> tuple[Callable[[int], int], int]:
    """What reads one window, and how many there are."""
    from polymath.data.sequences.transforms import pad_chunk

    ends = np.cumsum([len(source.actions(e)) for e in range(len(source))])

    def read(index: int) -> int:
        episode = int(np.searchsorted(ends, index, side="right"))
        step = index - (int(ends[episode - 1]) if episode else 0)
        source.frames(episode, [step])
        _ = source.states(episode)[step], pad_chunk(source.actions(episode)[step : step + CHUNK], CHUNK)
        source.instruction(episode)
        return 1

    return read, int(ends[-1])


def real_lerobot(directory: Path, count: int) -> dict[str, float]:
    fps = json.loads((directory / "meta" / "info.json").read_text())["fps"]
    return _real_lerobot(directory, count, {"action": [t / fps for t in range(CHUNK)]})


def real_lerobot_steps(directory: Path, count: int) -> dict[str, float]:
    """One action instead of a chunk."""
    return _real_lerobot(directory, count, None)


def _real_lerobot(directory: Path, count: int, window: dict[str, list[float]] | None) -> dict[str, float]:
    os.environ["HF_HUB_OFFLINE"] = "1"
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    data = LeRobotDataset("local/benchmark", root=directory, video_backend="pyav", delta_timestamps=window)
    return _random(data.__getitem__, len(data), count)


def _random(read: Callable[[int], object], size: int, count: int) -> dict[str, float]:
    order = [int(index) for index in np.random.default_rng(0).integers(0, size, count)]

    def work() -> int:
        for index in order:
            read(index)
        return count

    read(0)
    return measured(work)


READERS: dict[str, Callable[[Path, int], dict[str, float]]] = {
    "polymath-rlds": polymath_rlds,
    "polymath-fitted": polymath_fitted,
    "tfds-episodes": tfds_episodes,
    "tfds-steps": tfds_steps,
    "tfds-fitted": tfds_fitted,
    "polymath-lerobot": polymath_lerobot,
    "polymath-epoch": polymath_epoch,
    "lerobot": real_lerobot,
    "lerobot-steps": real_lerobot_steps,
}

if __name__ == "__main__":
    name, where, number = sys.argv[1:]
    print(json.dumps(READERS[name](Path(where), int(number))))
