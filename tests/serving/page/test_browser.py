"""The page in a real headless Chromium, over its DevTools: a recorded episode, a robot at work, hostile words."""

import base64
import contextlib
import http.client
import itertools
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.chromium import COMMAND, needs_chromium
from websockets.sync.client import connect

from polymath.policy import Policy
from polymath.serving.access import Keys
from polymath.serving.page.recordings import Recordings
from polymath.serving.server import Server

from ..conftest import ROBOT, Client, message, observation, running, served
from .conftest import HOSTILE, STEPS

pytestmark = needs_chromium
KEY = "a-key-of-32-characters-0123456789"
PATIENCE = 120.0  # seconds, on a busy machine


class Browser:
    """One tab, driven by https://chromedevtools.github.io/devtools-protocol/."""

    def __init__(self, profile: Path) -> None:
        command = [
            *COMMAND,
            "--remote-debugging-port=0",
            "--window-size=1200,1700",
            f"--user-data-dir={profile}",
            "about:blank",
        ]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.numbers, self.events = itertools.count(1), []
        port = self._port(profile / "DevToolsActivePort")
        tabs = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        tabs.request("GET", "/json/list")
        target = next(each for each in json.loads(tabs.getresponse().read()) if each["type"] == "page")
        tabs.close()
        self._stack = contextlib.ExitStack()
        self.socket = self._stack.enter_context(
            connect(target["webSocketDebuggerUrl"], max_size=None, compression=None)
        )
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def _port(self, file: Path) -> int:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if file.exists() and (lines := file.read_text().splitlines()):
                return int(lines[0])
            time.sleep(0.05)
        raise AssertionError("Chromium did not start")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self.socket.recv(timeout=PATIENCE))
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def evaluate(self, expression: str) -> Any:
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait_for(self, expression: str) -> Any:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if value := self.evaluate(expression):
                return value
            time.sleep(0.1)
        raise AssertionError(f"never true: {expression}; {self.evaluate('document.body.innerText')}")

    def complaints(self) -> list[str]:
        """What the console has: errors of scripts, refusals of the Content-Security-Policy, failed requests."""
        self.evaluate("1")
        kinds = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        return [json.dumps(event["params"]) for event in self.events if event.get("method") in kinds]

    def addresses(self) -> set[str]:
        requests = [
            e["params"]["request"]["url"] for e in self.events if e.get("method") == "Network.requestWillBeSent"
        ]
        return {url.split("/")[2].rpartition("@")[2] for url in requests if "//" in url}

    def screenshot(self) -> bytes:
        return base64.b64decode(self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"])

    def close(self) -> None:
        self._stack.close()
        self.process.terminate()
        self.process.wait(30)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    opened = Browser(tmp_path / "profile")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def locked(policies: dict[str, Policy], recordings: Recordings) -> Iterator[Server]:
    with running([served(policies["plain"])], keys=Keys([KEY]), recordings=recordings) as server:
        yield server


LOADED = "[...document.querySelectorAll('#{view} img')].filter(i => i.complete && i.naturalWidth > 0).length"


def test_the_page_shows_a_recorded_episode_and_a_robot(locked: Server, browser: Browser, tmp_path: Path) -> None:
    netloc = locked.url.removeprefix("ws://")
    browser.call("Page.navigate", url=f"http://key:{KEY}@{netloc}/")
    browser.wait_for(f"{LOADED.format(view='recorded-view')} === 4")  # two cameras, each with its attention
    assert browser.evaluate("document.getElementById('health').textContent") == "ready"
    assert browser.evaluate("document.querySelectorAll('#recorded-view .curves svg').length") == ROBOT.action_dim
    drawn = (
        "[...document.querySelectorAll('#recorded-view polyline')].map(p => p.getAttribute('points').split(' ').length)"
    )
    chunk = locked.service.models["plain"].contract.chunk
    assert set(browser.wait_for(drawn)) == {STEPS, chunk}

    assert browser.evaluate("document.querySelector('#recorded-view [name=instruction]').value") == HOSTILE
    assert HOSTILE[:40] in browser.evaluate("document.getElementById('episode').options[0].textContent")
    assert browser.evaluate("document.title") == "Polymath-V server", "hostile words stay words"

    first = browser.evaluate("document.querySelector('#recorded-view .camera').src")
    browser.evaluate("step.value = 7; step.dispatchEvent(new Event('input'))")
    browser.wait_for("document.querySelector('#recorded-view .camera').src.includes('/steps/7/')")
    assert first != browser.evaluate("document.querySelector('#recorded-view .camera').src")
    browser.evaluate(
        "(s => { s.value = '1'; s.dispatchEvent(new Event('change')); })"
        "(document.querySelector('#recorded-view [name=latent]'))"
    )
    browser.wait_for("document.querySelector('#recorded-view .gaze').src.includes('latent=1')")
    before = browser.evaluate("document.querySelector('#recorded-view .series-0[points]').getAttribute('points')")
    browser.evaluate(
        "(f => { f.instruction.value = 'lift the cube'; f.instruction.dispatchEvent(new Event('input'));"
        "f.requestSubmit(); })(document.querySelector('#recorded-view form'))"
    )
    browser.wait_for(
        "document.querySelector('#recorded-view .series-0[points]').getAttribute('points') !== " + json.dumps(before)
    )

    with Client(locked.url, key=KEY) as robot:
        executed = np.full((2, ROBOT.action_dim), 0.1, np.float32)
        robot.infer(message(observation(0, HOSTILE)))
        robot.infer(message(observation(1, HOSTILE), **{"polymath/executed": executed}))
        browser.wait_for(f"{LOADED.format(view='live-view')} === 4")
        assert browser.evaluate("document.querySelector('#sessions tbody tr').cells[3].textContent") == HOSTILE
        assert browser.evaluate("document.title") == "Polymath-V server"
        assert browser.evaluate("document.getElementById('p50').textContent").endswith(" ms")
        shot = browser.screenshot()
    browser.wait_for("document.getElementById('live-view').hidden")

    assert browser.complaints() == []
    assert browser.addresses() == {netloc}, "nothing comes from another host"
    (tmp_path / "page.png").write_bytes(shot)
    assert np.asarray(Image.open(tmp_path / "page.png").convert("L")).std() > 10
    if folder := os.environ.get("POLYMATH_SCREENSHOTS"):
        (Path(folder) / "page.png").write_bytes(shot)


def test_it_fits_a_narrow_window(locked: Server, browser: Browser) -> None:
    browser.call("Emulation.setDeviceMetricsOverride", width=360, height=800, deviceScaleFactor=1, mobile=True)
    browser.call("Page.navigate", url=f"http://key:{KEY}@{locked.url.removeprefix('ws://')}/")
    browser.wait_for(f"{LOADED.format(view='recorded-view')} === 4")
    assert browser.evaluate("document.documentElement.scrollWidth") <= 360
