"""`polymath record calvin|libero|bridge`: demonstrations by the scripted experts of benchmarks in their own process."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import OmitArgPrefixes

from polymath.commands.output import print_json
from polymath.errors import ConfigError

if TYPE_CHECKING:
    from polymath.benchmarks.recording import OwnLayoutWriter


@dataclass(frozen=True)
class Demonstrations:
    """What to record.

    Args:
        out: The directory to write, a LeRobotDataset v3.0; it must not exist yet.
        tasks: Names of tasks or groups; all that the expert can do if left out.
        splits: Where the scenes are from; the benchmark's usual ones if left out.
        episodes: Successful episodes for each task and split.
        seed: Chooses the start states; one seed never gives those of another.
        cameras: All of the robot's if left out.
        image_size: Pixels of a picture's side.
        renderer: The benchmark's usual one if left out; part of the data's identity.
        action_noise: Deviation of the noise on the executed actions of every second episode, 0 for none.
        video: Write mp4 files instead of pictures inside the parquet files.
        python: The interpreter of the simulator's own environment, as for `polymath eval`.
        workers: Simulator processes; they change the speed, never the data.
        json: Print one JSON object instead of a line.
    """

    out: Path
    tasks: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    episodes: int = 50
    seed: int = 0
    cameras: tuple[str, ...] = ()
    image_size: int = 64
    renderer: str = ""
    action_noise: float = 0.3
    video: bool = False
    python: Path | None = None
    workers: int = os.cpu_count() or 1
    json: bool = False


Settings = Annotated[Demonstrations, OmitArgPrefixes]


def calvin(settings: Settings, native: Path | None = None, picture_every: int = 1) -> None:
    """Demonstrations of CALVIN's subtasks by scripted experts in the official simulator.

    These are own demonstrations, not CALVIN's play data. The scenes are drawn like the official ones, none is an
    evaluation's; often the arm stands where another subtask left it.

    Example: polymath record calvin --tasks open_drawer --episodes 2 --out episodes

    Args:
        settings: What to record.
        native: Also write CALVIN's own layout, one npz file a frame, into this new directory.
        picture_every: Control steps from one picture to the next; in between the last one is repeated, as by a
            camera that is slower than the controller. Rendering takes most of the time.
    """
    from polymath.benchmarks.calvin.native import CalvinWriter

    if picture_every < 1:
        raise ConfigError(f"--picture-every {picture_every}: choose at least 1")
    if native is not None and native.absolute() == settings.out.absolute():
        raise ConfigError(f"--native {native}: is --out as well; each layout needs a directory of its own")
    own_layout = None if native is None else partial(CalvinWriter, native)
    _record("calvin", settings, {"picture_every": str(picture_every)}, own_layout)


def libero(settings: Settings, native: Path | None = None, pictures: str = "turned") -> None:
    """Demonstrations of LIBERO's tasks by scripted experts.

    These are own demonstrations, not LIBERO's human ones. The starts are drawn from the regions of the task's own BDDL
    file; none is one of the official initial states.

    Example: polymath record libero --tasks libero_object --splits seen --episodes 2 --out episodes

    Args:
        settings: What to record.
        native: Also write LIBERO's own layout, one HDF5 file a task, into this new directory.
        pictures: turned, as the converted data sets and all evaluations have them, or raw, as robosuite renders them.
    """
    from polymath.benchmarks.libero.native import LiberoWriter

    if settings.splits not in ((), ("seen",)):
        raise ConfigError(
            f"splits {', '.join(settings.splits)}: LIBERO-PRO's variations are for evaluation only; use --splits seen"
        )
    own_layout = None if native is None else partial(LiberoWriter, native, pictures == "turned")
    _record("libero", settings, {"pictures": pictures}, own_layout)


def bridge(
    settings: Settings,
    captions: Path | None = None,
    scenes: int = 0,
    chunk_length: int = 8,
    pictures: Literal["official", "half"] = "official",
    eggplant: Literal["official", "stand-in"] = "official",
) -> None:
    """Demonstrations of the WidowX tasks of SIMPLER by scripted experts.

    These are own demonstrations, not BridgeData V2. No start state is one of the official evaluation's. The eggplant,
    whose mesh is often missing, is recorded if --tasks names it.

    Example: polymath record bridge --episodes 2 --out episodes

    Args:
        settings: What to record.
        captions: Also write every frame with a caption and a pointing question about its objects, as WebDataset shards,
            into this new directory.
        scenes: With captions: after every demonstration, pictures of so many more drawn layouts.
        chunk_length: layout.chunk_length of the recipe that is to train on the captions.
        pictures: The official 640 x 480 pixels before they are squeezed, or half of them a side in a quarter of the
            time.
        eggplant: official, or its painted collision mesh in place of a missing mesh.
    """
    from polymath.benchmarks.bridge.captions import CAMERA, CaptionWriter

    if captions is not None and captions.absolute() == settings.out.absolute():
        raise ConfigError(f"--captions {captions}: is --out as well; captions need a directory of their own")
    if captions is not None and settings.cameras and CAMERA not in settings.cameras:
        raise ConfigError(f"--captions {captions}: are about pictures of {CAMERA}; name it among --cameras")
    if scenes < 0 or (scenes and captions is None):
        raise ConfigError(f"--scenes {scenes}: are for captions; choose at least 0, and a directory for --captions")
    own_layout = None if captions is None else partial(CaptionWriter, captions, settings.seed, chunk_length)
    options = {"pictures": pictures, "eggplant": eggplant, "scenes": str(scenes)}
    _record("bridge", settings, options, own_layout)


def _record(
    name: str,
    settings: Demonstrations,
    options: Mapping[str, str] | None = None,
    own_layout: "Callable[[], OwnLayoutWriter] | None" = None,
) -> None:
    from polymath.benchmarks.recording import record
    from polymath.benchmarks.registry import benchmark
    from polymath.evaluation.benchmark import Plan

    plan = Plan(
        tasks=settings.tasks,
        splits=settings.splits,
        episodes=settings.episodes,
        seed=settings.seed,
        renderer=settings.renderer,
        image_size=settings.image_size,
        cameras=settings.cameras,
        options=options or {},
        workers=settings.workers,
        python="" if settings.python is None else str(settings.python),
    )
    recording = record(benchmark(name), plan, settings.out, settings.action_noise, settings.video, own_layout)
    if settings.json:
        print_json(
            {
                "path": str(recording.path),
                "episodes": recording.episodes,
                "frames": recording.frames,
                "failures": recording.failures,
            }
        )
    else:
        again = sum(recording.failures.values())
        print(
            f"{recording.path}: {recording.episodes:,} episodes, {recording.frames:,} frames; "
            f"{again} failed and were drawn again"
        )
