"""The report in a real headless Chromium: it draws, its videos play, it fits a phone, it asks for nothing."""

import json
import re
import subprocess

import pytest
from tests.chromium import COMMAND, needs_chromium

from polymath.evaluation.report import write_report

pytestmark = needs_chromium

FLAGS = ("--enable-logging=stderr", "--autoplay-policy=no-user-gesture-required")

# Added to a copy of the page: waits for the videos, then writes what the browser made of the page into its title.
PROBE = """<script>
addEventListener("load", async () => {
  const videos = [...document.querySelectorAll("video")];
  await Promise.all(videos.map(v => v.readyState >= 2 || new Promise(done => {
    v.addEventListener("loadeddata", done); v.addEventListener("error", done); v.load(); })));
  const box = e => { const r = e.getBoundingClientRect(); return [r.width, r.height]; };
  document.title = JSON.stringify({
    videos: videos.map(v => ({ width: v.videoWidth, seconds: v.duration, error: v.error && v.error.message })),
    images: [...document.images].map(i => i.naturalWidth),
    page: document.documentElement.scrollWidth, window: innerWidth,
    dots: document.querySelectorAll("#success-chart circle").length,
    rows: document.querySelectorAll("#success-table tbody tr:not(.group)").length,
    plots: [...document.querySelectorAll(".plot svg")].map(box),
    background: getComputedStyle(document.body).backgroundColor,
    external: performance.getEntriesByType("resource").map(e => e.name).filter(n => !n.startsWith("data:")),
  });
});
</script>"""


@pytest.fixture
def page(report_data, tmp_path):
    path = tmp_path / "report.html"
    write_report(report_data, path)
    return path


def chromium(page, *flags):
    command = [*COMMAND, *FLAGS, f"--user-data-dir={page.parent / 'profile'}", *flags, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done


def probe(page, width):
    probed = page.with_name("probed.html")
    probed.write_text(page.read_text().replace("</body>", PROBE + "</body>"))
    dom = chromium(probed, "--dump-dom", "--timeout=20000", f"--window-size={width},900").stdout
    title = re.search(r"<title>(.*?)</title>", dom, re.DOTALL)
    assert title, dom[-2000:]
    return json.loads(title.group(1).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))


def test_the_browser_shows_table_chart_pictures_and_playing_videos(page):
    seen = probe(page, width=1200)
    assert seen["rows"] == seen["dots"] == 6
    assert [v["error"] for v in seen["videos"]] == [None, None]
    assert [v["width"] for v in seen["videos"]] == [256, 256]
    assert all(v["seconds"] == pytest.approx(1.2, abs=0.15) for v in seen["videos"])  # 12 frames at 10 a second
    assert len(seen["images"]) == 10
    assert min(seen["images"]) > 0
    assert len(seen["plots"]) == 5
    assert all(width > 200 and height > 150 for width, height in seen["plots"])
    assert seen["external"] == []


def test_it_fits_a_narrow_window(page):
    seen = probe(page, width=500)  # the narrowest window that headless Chromium opens
    assert seen["window"] == 500
    assert seen["page"] <= 500


def test_no_console_message_and_no_request(page):
    log = page.with_name("net.json")
    done = chromium(page, "--dump-dom", "--virtual-time-budget=4000", f"--log-net-log={log}")
    assert "CONSOLE" not in done.stderr
    assert 'id="success-table"' in done.stdout
    requests = set(re.findall(r'"url":"([^"]*)"', log.read_text()))
    assert [url for url in requests if url.startswith(("http", "ws", "ftp")) and "google" not in url] == []


def test_a_screenshot_is_not_blank(page):
    import numpy as np
    from PIL import Image

    shot = page.with_name("shot.png")
    chromium(page, f"--screenshot={shot}", "--window-size=1000,1600", "--virtual-time-budget=4000")
    pixels = np.asarray(Image.open(shot).convert("L"))
    assert pixels.shape == (1600, 1000)
    assert pixels.std() > 10
