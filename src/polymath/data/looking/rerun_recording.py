"""Episodes as a Rerun recording: pictures, states and actions over control steps, the instruction as text."""

from pathlib import Path
from typing import Any

from polymath.data.interface import EpisodeSet, camera_frames
from polymath.data.looking.sample import spaced
from polymath.errors import DataError
from polymath.extras import require
from polymath.files import atomic_write

EPISODES = 8
JPEG_QUALITY = 85


def write_recording(source: EpisodeSet, out: Path, episodes: int = EPISODES) -> int:
    """Write up to `episodes` of the set, evenly spaced, to `out`, which `rerun OUT` opens. Returns how many.

    An episode that cannot be read is logged as its error message and not counted.
    """
    require("look", f"--rerun {out}")
    import rerun as rr

    written = 0
    with atomic_write(out) as temporary:
        stream = rr.RecordingStream("polymath")
        stream.save(temporary)
        for episode in spaced(len(source), episodes):
            try:
                _log(stream, source, episode)
                written += 1
            except DataError as error:
                stream.log(f"episode_{episode}/bad", rr.TextDocument(str(error)), static=True)
        stream.flush()
        stream.disconnect()
    return written


def _log(stream: Any, source: EpisodeSet, episode: int) -> None:
    import rerun as rr

    root, robot = f"episode_{episode}", source.embodiment
    states, actions = source.states(episode), source.actions(episode)
    stream.log(f"{root}/instruction", rr.TextDocument(source.instruction(episode)), static=True)
    for step in range(len(actions)):
        stream.set_time("step", sequence=step)
        for place, camera in enumerate(robot.cameras):
            picture = camera_frames(source, episode, place, [step])[0]
            stream.log(f"{root}/{camera}", rr.Image(picture).compress(jpeg_quality=JPEG_QUALITY))
        for group, names, values in (
            ("state", robot.state_names, states[step]),
            ("action", robot.action_names, actions[step]),
        ):
            for name, value in zip(names, values, strict=True):
                stream.log(f"{root}/{group}/{name.replace(' ', '_')}", rr.Scalars(float(value)))
