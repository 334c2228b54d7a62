"""Frames of one shade each: a codec may blur a picture, but may not give the neighbour's frame."""

import contextlib
import os
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polymath.data.files import mp4, video, video_writer
from polymath.data.files.video_writer import RANDOM_ACCESS, Encoding, VideoWriter
from polymath.errors import ConfigError, DataError

SHADES = np.arange(20) * 10 + 20


@pytest.fixture(params=RANDOM_ACCESS, ids=lambda encoding: encoding.codec)
def encoding(request: pytest.FixtureRequest) -> Encoding:
    if request.param.codec not in av.codecs_available:
        pytest.skip(f"this PyAV cannot write {request.param.codec}")
    return request.param


@pytest.fixture
def path(encoding: Encoding, tmp_path: Path) -> Path:
    writer = VideoWriter(tmp_path / "videos" / "file.mp4", encoding, (64, 64), fps=20)
    for part in np.split(SHADES, [7, 12]):
        writer.write(np.add.outer(part, np.zeros((64, 64, 3), int)).astype(np.uint8))
    assert writer.frames == 20
    writer.close()
    return tmp_path / "videos" / "file.mp4"


@pytest.mark.parametrize("numbers", [range(20), [0], range(7, 12), [8], [19], [19, 0, 7, 7, 12]])
def test_any_frames(path: Path, numbers: Sequence[int]) -> None:
    frames = video.read_frames(path, numbers, "x")
    assert frames.shape == (len(numbers), 64, 64, 3)
    np.testing.assert_allclose(frames.mean(axis=(1, 2, 3)), SHADES[list(numbers)], atol=3)


def test_the_codec_is_described_as_it_is(path: Path, encoding: Encoding) -> None:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec.canonical_name == video_writer.describe(encoding, 64, 20)["video.codec"]
        assert stream.average_rate == 20
        assert stream.pix_fmt == "yuv420p"


def encode(path: Path, count: int, rate: Fraction, options: dict[str, str], ticks: Sequence[int], pixels: str) -> Path:
    """An mp4 of `count` frames that are shown at `ticks` / rate seconds."""
    with av.open(str(path), "w", options={"movflags": options.pop("movflags", "faststart")}) as container:
        codec = "libx264" if pixels == "yuv420p" else "libx265"
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        stream.time_base = stream.codec_context.time_base = 1 / rate
        for i in range(count):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 10 * (i % 20) + 20, np.uint8), format="rgb24")
            frame.pts, frame.time_base = ticks[i], 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("rate", "options", "ticks"),
    [
        (Fraction(30), {"bf": "0", "g": "2"}, range(40)),
        (Fraction(30000, 1001), {"bf": "3", "g": "50"}, range(40)),  # shown in another order than decoded
        (Fraction(30), {"bf": "2", "g": "12"}, [i + 5 for i in range(40)]),  # begins with a pause: an empty edit
        (Fraction(60), {"bf": "2"}, [3 * i + i % 2 for i in range(40)]),  # a variable rate
        (Fraction(25), {"movflags": "frag_keyframe+empty_moov"}, range(40)),  # no index: all packets are read
    ],
)
def test_times_are_those_at_which_ffmpeg_shows_the_frames(
    tmp_path: Path, rate: Fraction, options: dict[str, str], ticks: Sequence[int]
) -> None:
    path = encode(tmp_path / "clip.mp4", 40, rate, dict(options), ticks, "yuv420p")
    with av.open(str(path)) as container:
        shown = [frame.time for frame in container.decode(container.streams.video[0])]
    np.testing.assert_allclose(video.timeline(path).times, shown, atol=1e-9)
    shades = video.read_frames(path, [39, 7, 20, 8], "x").mean(axis=(1, 2, 3))
    np.testing.assert_allclose(shades, [10 * (i % 20) + 20 for i in (39, 7, 20, 8)], atol=3)


@pytest.mark.parametrize("shift", [-0.35, -0.7, 0.33])
def test_a_clip_that_was_cut_without_encoding_it_again(tmp_path: Path, shift: float) -> None:
    """The edit list hides frames before the cut, which may fall into the middle of one, or begins with a pause."""
    source = encode(tmp_path / "source.mp4", 20, Fraction(10), {"bf": "2", "g": "5"}, range(20), "yuv420p")
    path = tmp_path / "cut.mp4"
    with av.open(str(source)) as whole, av.open(str(path), "w") as cut:
        stream = cut.add_stream_from_template(whole.streams.video[0])
        for packet in whole.demux(whole.streams.video[0]):
            if packet.dts is not None:
                ticks = round(shift / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts + ticks, packet.dts + ticks, stream
                cut.mux(packet)
    with av.open(str(path)) as container:
        shown = [(frame.time, frame.to_ndarray(format="rgb24").mean()) for frame in container.decode(video=0)]
    np.testing.assert_allclose(video.timeline(path).times, [time for time, _ in shown], atol=1e-9)
    frames = video.read_frames(path, range(len(shown)), "x")
    np.testing.assert_allclose(frames.mean(axis=(1, 2, 3)), [shade for _, shade in shown], atol=0.5)


@given(
    times=st.lists(st.integers(0, 10_000), min_size=1, max_size=60, unique=True).map(sorted),
    moments=st.lists(st.floats(-5, 105), min_size=1, max_size=20),
)
def test_nearest_is_nearest(times: list[int], moments: list[float]) -> None:
    line = video.Timeline(np.array(times) / 100, 0.01, False)
    targets = np.array(moments)
    distances = np.abs(line.times[None] - targets[:, None])
    numbers = line.nearest(targets, 0, len(times))
    np.testing.assert_allclose(distances[np.arange(len(targets)), numbers], distances.min(axis=1), atol=2e-6)


@pytest.mark.parametrize(
    ("pixels", "measures"),
    [
        *[(name, False) for name in ("yuv420p", "yuv420p10le", "yuvj420p", "rgb24", "gray", "ya8")],
        *[(name, True) for name in ("gray10le", "gray12le", "gray16be", "ya16le", "grayf32le", "gbrpf32le")],
    ],
)
def test_depth_is_told_by_its_pixels(pixels: str, measures: bool) -> None:
    assert video.is_measurement(pixels) is measures


def test_a_video_of_depth_is_refused(tmp_path: Path) -> None:
    path = encode(tmp_path / "depth.mp4", 3, Fraction(10), {}, range(3), "gray12le")
    assert video.pixel_format(path) == "gray12le"
    with pytest.raises(DataError, match=r"depth\.mp4: its pixels are gray12le, depth rather than colour"):
        video.read_frames(path, [0], "episode 3")


def test_not_a_video(tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("nothing to see here")
    with pytest.raises(DataError, match=r"text\.mp4: the video is truncated"):
        mp4.frame_times(text)
    with pytest.raises(DataError, match=r"none\.mp4: cannot be read"):
        video.timeline(tmp_path / "none.mp4")


@pytest.mark.parametrize("keep", [0, 20, 0.5, 0.99])
def test_a_truncated_video(tmp_path: Path, keep: float) -> None:
    path = encode(tmp_path / "clip.mp4", 9, Fraction(10), {}, range(9), "yuv420p")
    data = path.read_bytes()
    path.write_bytes(data[: int(keep if keep > 1 else keep * len(data))])
    with pytest.raises(DataError, match=r"clip\.mp4: the video is truncated.*copy or record"):
        video.timeline(path)


def test_a_damaged_frame_is_named(tmp_path: Path) -> None:
    path = encode(tmp_path / "clip.mp4", 9, Fraction(10), {"g": "1", "bf": "0"}, range(9), "yuv420p")
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    data[start:] = bytes(len(data) - start)
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"clip\.mp4: (cannot decode episode 3|has no frame at 0\.400 s of episode 3)"):
        video.read_frames(path, [4], "episode 3")


@pytest.fixture(scope="module")
def small_clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    return encode(path, 5, Fraction(10), {"bf": "2"}, range(5), "yuv420p").read_bytes()


@given(place=st.integers(0, 1500), value=st.integers(0, 255))
@settings(max_examples=200)
def test_damaged_headers_are_never_a_traceback(small_clip: bytes, place: int, value: int) -> None:
    data = bytearray(small_clip)
    data[place % len(data)] = value
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        path.write_bytes(data)
        with contextlib.suppress(DataError):
            mp4.frame_times(path)


@pytest.mark.parametrize("size", [(63, 64), (64, 63), (0, 64)])
def test_an_odd_size_is_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    with pytest.raises(DataError, match=r"clip\.mp4: pictures of \d+ x \d+; a video needs an even height and width"):
        VideoWriter(tmp_path / "clip.mp4", RANDOM_ACCESS[0], size, fps=10)


def test_no_codec_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_writer, "RANDOM_ACCESS", (Encoding("no-such-codec", "none", {}),))
    with pytest.raises(ConfigError, match="PyAV has none of no-such-codec"):
        video_writer.choose_encoding()


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="no such call on this system")
def test_encoding_leaves_the_scheduling_of_the_process_alone(tmp_path: Path, encoding: Encoding) -> None:
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    writer = VideoWriter(tmp_path / "clip.mp4", encoding, (64, 64), fps=10)
    writer.write(np.zeros((3, 64, 64, 3), np.uint8))
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
    writer.close()
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
