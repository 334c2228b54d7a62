"""`polymath record metaworld|captions|calvin-captions`, and the benchmarks of `record_benchmarks`."""

import os
from pathlib import Path
from typing import Literal

from tyro.extras import SubcommandApp

from polymath.commands import record_benchmarks
from polymath.commands.output import print_json
from polymath.extras import require

app = SubcommandApp()
app.command(record_benchmarks.calvin)
app.command(record_benchmarks.libero)
app.command(record_benchmarks.bridge)

Renderer = Literal["ray", "egl", "osmesa"]


@app.command
def metaworld(
    out: Path,
    tasks: tuple[str, ...] = (),
    episodes: int = 50,
    seed: int = 0,
    cameras: tuple[str, ...] = ("front",),
    image_size: int = 64,
    renderer: Renderer = "ray",
    action_noise: float = 0.3,
    video: bool = False,
    workers: int = os.cpu_count() or 1,
    json: bool = False,
) -> None:
    """Demonstrations by Meta-World's scripted experts, as a LeRobotDataset v3.0.

    Example: polymath record metaworld --tasks reach-left reach-right --episodes 2 --out episodes

    Args:
        out: The directory to write; it must not exist yet.
        tasks: Names of tasks; all of them if left out.
        episodes: Successful episodes for each task.
        seed: Chooses the layouts.
        cameras: front, top, or both.
        image_size: Pixels of a picture's side.
        renderer: The ray caster needs no OpenGL; egl and osmesa do.
        action_noise: Deviation of the noise on the executed actions of every second episode, 0 for none.
        video: Write mp4 files instead of pictures inside the parquet files.
        workers: Processes; they change the speed, never the data.
        json: Print one JSON object instead of a line.
    """
    require("sim", "polymath record")
    from polymath.benchmarks.metaworld.record import record
    from polymath.benchmarks.metaworld.scene.tasks import TASKS

    recording = record(
        out,
        tasks or tuple(TASKS),
        episodes,
        seed,
        workers=workers,
        image_size=image_size,
        cameras=cameras,
        renderer=renderer,
        action_noise=action_noise,
        video=video,
    )
    if json:
        print_json(
            {
                "path": str(out),
                "episodes": recording.episodes,
                "frames": recording.frames,
                "failures": recording.failures,
            }
        )
    else:
        again = sum(recording.failures.values())
        print(
            f"{out}: {recording.episodes:,} episodes, {recording.frames:,} frames; {again} failed and were drawn again"
        )


@app.command
def captions(
    out: Path,
    pairs: int = 2000,
    seed: int = 0,
    tasks: tuple[str, ...] = (),
    cameras: tuple[str, ...] = ("front",),
    image_size: int = 64,
    renderer: Renderer = "ray",
    workers: int = os.cpu_count() or 1,
    json: bool = False,
) -> None:
    """Pictures from the same simulator with captions that are true of them, as WebDataset shards.

    Example: polymath record captions --pairs 20 --out pairs

    Args:
        out: The directory to write; it must not exist yet.
        pairs: Image-text pairs in all.
        seed: Chooses the scenes, the moments and the phrasings.
        tasks: Names of tasks whose scenes are shown; all of them if left out.
        cameras: front, top, or both; each picture is from one of them.
        image_size: Pixels of a picture's side.
        renderer: The ray caster needs no OpenGL; egl and osmesa do.
        workers: Processes; they change the speed, never the data.
        json: Print one JSON object instead of a line.
    """
    require("sim", "polymath record")
    from polymath.benchmarks.metaworld.captions.pairs import write_pairs
    from polymath.benchmarks.metaworld.scene.tasks import TASKS

    written = write_pairs(
        out, pairs, seed, workers, image_size, cameras, renderer=renderer, tasks=tasks or tuple(TASKS)
    )
    _report_pairs(out, written, json)


@app.command(name="calvin-captions")
def calvin_captions(
    data: Path,
    out: Path,
    pairs: int = 10_000,
    seed: int = 0,
    image_size: int = 64,
    chunk_length: int = 10,
    json: bool = False,
) -> None:
    """Captions and pointing questions for frames of a data set in CALVIN's layout, as WebDataset shards.

    They teach a vision encoder that starts from random weights to see the scene; nothing is rendered.

    Example: polymath record calvin-captions --data task_D_D/training --pairs 20 --out pairs

    Args:
        data: A split: the published one, or what `polymath record calvin --native` wrote.
        out: The directory to write; it must not exist yet.
        pairs: Frames in all.
        seed: Chooses the frames, the blocks asked for and the phrasings.
        image_size: Pixels of a picture's side.
        chunk_length: layout.chunk_length of the recipe that is to train on them.
        json: Print one JSON object instead of a line.
    """
    from polymath.benchmarks.calvin.captions import write_pairs

    written = write_pairs(data, out, pairs, seed, image_size, chunk_length)
    _report_pairs(out, written, json)


@app.command(name="libero-captions")
def libero_captions(
    data: Path,
    out: Path,
    pairs: int = 10_000,
    seed: int = 0,
    image_size: int = 64,
    chunk_length: int = 8,
    json: bool = False,
) -> None:
    """Captions and pointing questions for frames of own demonstrations of LIBERO, as WebDataset shards.

    They teach a vision encoder that starts from random weights to see the scene; nothing is rendered.

    Example: polymath record libero-captions --data episodes-as-libero --pairs 20 --out pairs

    Args:
        data: What `polymath record libero --native` wrote; LIBERO's published files do not say where things are.
        out: The directory to write; it must not exist yet.
        pairs: Frames in all.
        seed: Chooses the frames, what is asked for and the phrasings.
        image_size: Pixels of a picture's side.
        chunk_length: layout.chunk_length of the recipe that is to train on them.
        json: Print one JSON object instead of a line.
    """
    from polymath.benchmarks.libero.captions import write_pairs

    written = write_pairs(data, out, pairs, seed, image_size, chunk_length)
    _report_pairs(out, written, json)


def _report_pairs(out: Path, written: int, json: bool) -> None:
    if json:
        print_json({"path": str(out), "pairs": written})
    else:
        print(f"{out}: {written:,} image-text pairs")
