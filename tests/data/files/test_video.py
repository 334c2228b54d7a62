"""Frames of one shade each: a codec may blur a picture, but may not give the neighbour's frame."""

import os
from pathlib import Path

import av
import numpy as np
import pytest

from polymath.data.files import mp4, video
from polymath.errors import ConfigError, DataError

SHADES = np.arange(20) * 10 + 20


@pytest.fixture(params=video.CODECS)
def codec(request: pytest.FixtureRequest) -> str:
    if request.param not in av.codecs_available:
        pytest.skip(f"this PyAV cannot write {request.param}")
    return request.param


@pytest.fixture
def path(codec: str, tmp_path: Path) -> Path:
    writer = video.VideoWriter(tmp_path / "videos" / "file.mp4", codec, 64, fps=20)
    for part in np.split(SHADES, [7, 12]):
        writer.write(np.add.outer(part, np.zeros((64, 64, 3), int)).astype(np.uint8))
    assert writer.frames == 20
    writer.close()
    return tmp_path / "videos" / "file.mp4"


@pytest.mark.parametrize(("start", "count"), [(0, 20), (0, 1), (7, 5), (8, 1), (12, 8), (19, 1)])
def test_any_run_of_frames(path: Path, start: int, count: int) -> None:
    assert mp4.check_complete(path) == 20
    frames = video.read_frames(path, start / 20, count, "x")
    assert frames.shape == (count, 64, 64, 3)
    np.testing.assert_allclose(frames.mean(axis=(1, 2, 3)), SHADES[start : start + count], atol=3)


def test_frames_beyond_the_end(path: Path) -> None:
    with pytest.raises(DataError, match=r"file\.mp4: ends after 2 of 3 frames of episode 7"):
        video.read_frames(path, 18 / 20, 3, "episode 7")


def test_the_codec_is_described_as_it_is(path: Path, codec: str) -> None:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec.canonical_name == video.describe(codec, 64, 20)["video.codec"]
        assert stream.average_rate == 20
        assert stream.pix_fmt == "yuv420p"


def test_not_a_video(tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("nothing to see here")
    with pytest.raises(DataError, match=r"text\.mp4: the video is truncated"):
        mp4.check_complete(text)
    with pytest.raises(DataError, match=r"text\.mp4: cannot decode clip"):
        video.read_frames(text, 0.0, 1, "clip")
    with pytest.raises(DataError, match=r"none\.mp4: cannot be read"):
        mp4.check_complete(tmp_path / "none.mp4")


def test_no_codec_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "CODECS", ("no-such-codec",))
    with pytest.raises(ConfigError, match="PyAV has none of no-such-codec"):
        video.choose_codec()


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="no such call on this system")
def test_encoding_leaves_the_scheduling_of_the_process_alone(tmp_path: Path, codec: str) -> None:
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    writer = video.VideoWriter(tmp_path / "clip.mp4", codec, image_size=64, fps=10)
    writer.write(np.zeros((3, 64, 64, 3), np.uint8))
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
    writer.close()
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
