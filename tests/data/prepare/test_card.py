"""The data card: its histograms by hand, the page in a real headless Chromium."""

import json
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from tests.chromium import COMMAND, needs_chromium

from polymath.data.prepare.card import histogram
from polymath.data.prepare.pipeline import prepare

from .conftest import LAYOUT
from .test_pipeline import SETTINGS

# Added to a copy of the page: what the browser made of it goes into its title.
PROBE = """<script>addEventListener("load", () => { document.title = JSON.stringify({
  images: [...document.images].map(i => i.naturalWidth), page: document.documentElement.scrollWidth, window: innerWidth,
  external: performance.getEntriesByType("resource").map(e => e.name).filter(n => !n.startsWith("data:")),
  bars: [...document.querySelectorAll(".bars")].map(b => Math.max(...[...b.children].map(i => i.clientHeight))),
}); });</script>"""


def test_bars_are_of_whole_numbers() -> None:
    few = histogram(Counter([3, 3, 3, 5]))
    assert [bar["title"] for bar in few["bars"]] == ["3: 3", "4: 0", "5: 1"]
    assert [bar["height"] for bar in few["bars"]] == [100.0, 0.0, pytest.approx(33.3)]
    assert (few["low"], few["median"], few["high"]) == ("3", "3", "5")
    many = histogram(Counter(range(1000)))
    assert [bar["title"] for bar in many["bars"]][:2] == ["0 to 41: 42", "42 to 83: 42"]
    assert many["median"] == "499", "numpy's 499.5, rounded down"
    assert many["bars"][-1]["title"] == "966 to 999: 34", "24 bars of 42 cover 1,008 numbers"


@needs_chromium
@pytest.mark.parametrize("width", [1100, 390])
def test_the_page_draws_and_asks_for_nothing(
    width: int, sources: list[str], tokenizer_file: Path, tmp_path: Path
) -> None:
    prepare(sources, tokenizer_file, LAYOUT, tmp_path / "out", SETTINGS)
    page = tmp_path / "card.html"
    page.write_text((tmp_path / "out" / "card.html").read_text() + PROBE)
    command = [*COMMAND, f"--window-size={width},2000", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run(
        [*command, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    title = re.search("<title>(.*?)</title>", done.stdout)
    assert title is not None
    seen = json.loads(title[1].replace("&quot;", '"').replace("&amp;", "&"))
    assert len(seen["images"]) > 10
    assert min(seen["images"]) > 0
    assert seen["external"] == []
    assert seen["page"] <= seen["window"], "nothing sticks out of a phone's screen"
    assert min(seen["bars"]) > 50
