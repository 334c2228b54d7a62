"""The page's data: the same answers, pictures and attention as in the process; bad requests get one line each."""

import io
import json
import socket
import time
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from polymath.policy import Policy
from polymath.policy.attention import Attention
from polymath.policy.session import Turn
from polymath.serving.access import Keys
from polymath.serving.limits import Limits
from polymath.serving.page.recordings import Recordings
from polymath.serving.server import Server

from ..conftest import ROBOT, STRIDE, WINDOW, Client, message, observation, running, served
from .conftest import HOSTILE, STEPS, Episodes, fetch, fetch_json

KEY = "a-key-of-32-characters-0123456789"


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)


class Watching:
    """A reader of the events, as a page is one."""

    def __init__(self, server: Server) -> None:
        self.socket = socket.create_connection(urlsplit(server.url).netloc.split(":"), timeout=30)
        self.socket.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.head = self.socket.recv(4096)
        while b"data: " not in self.head:
            self.head += self.socket.recv(4096)

    def __enter__(self) -> "Watching":
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()


def test_an_episode_and_its_pictures_are_those_of_the_set(site: Server) -> None:
    rows = fetch_json(site, "/api/episodes")
    assert (rows["total"], rows["episodes"][0]["instruction"]) == (2, HOSTILE)
    episode = fetch_json(site, "/api/episodes/0")
    assert (episode["steps"], episode["cameras"], episode["names"]) == (
        STEPS,
        ["front", "wrist"],
        list(ROBOT.action_names),
    )
    assert np.allclose(episode["actions"], Episodes().actions(0), atol=1e-5)
    assert fetch_json(site, "/api/episodes/1")["actions"][0][0] is None  # JSON has no NaN
    status, headers, picture = fetch(site, "/api/episodes/0/steps/5/cameras/1")
    assert (status, headers["content-type"]) == (200, "image/jpeg")
    assert np.abs(pixels(picture) - observation(5).images["wrist"]).mean() < 12  # noise is what JPEG is worst at


def test_the_attention_is_the_models(site: Server, policies: dict[str, Policy]) -> None:
    weights = Attention(policies["plain"])(observation(5)).weights[0]
    shown = {
        latent: pixels(fetch(site, f"/api/episodes/0/steps/5/attention/0?latent={latent}")[2]).sum(axis=2)
        for latent in ("mean", "0", "1")
    }
    side = int(len(weights[0]) ** 0.5)
    for latent, picture in shown.items():
        own = weights.mean(axis=0) if latent == "mean" else weights[int(latent)]
        tile = len(picture) // side
        light = picture.reshape(side, tile, side, tile).mean(axis=(1, 3)).reshape(-1)
        assert np.corrcoef(light, own)[0, 1] > 0.3  # the picture under it is noise
    assert np.abs(shown["0"] - shown["1"]).max() > 0


def test_predictions_are_the_policys_answers(site: Server, policies: dict[str, Policy]) -> None:
    answer = fetch_json(site, "/api/episodes/0/predictions", {"step": 5})
    seen = observation(5, HOSTILE)
    expected = policies["plain"].open().act(seen).actions
    assert np.allclose(answer["chunk"], expected, atol=1e-4)
    other = fetch_json(site, "/api/episodes/0/predictions", {"step": 5, "instruction": "lift the cube"})
    expected = policies["plain"].open().act(observation(5, "lift the cube")).actions
    assert np.allclose(other["chunk"], expected, atol=1e-4)


def test_a_policy_with_a_history_is_shown_the_one_of_the_recording(policies, recordings) -> None:
    with running([served(policies["streaming"])], recordings=recordings) as server:
        answer = fetch_json(server, "/api/episodes/1/predictions", {"step": 9})
    session, actions = policies["streaming"].open(), Episodes().actions(1)
    for step in range(9 - STRIDE * (WINDOW - 1), 10, STRIDE):
        executed = actions[step - STRIDE : step] if step > 9 - STRIDE * (WINDOW - 1) else None
        turn = Turn(session, observation(step, "press the button"), executed)
        expected = policies["streaming"].answer([turn])[0].actions
    assert np.allclose(answer["chunk"], expected, atol=1e-4)


def test_a_robot_is_shown_only_while_a_page_looks(site: Server) -> None:
    with Client(site.url) as robot:
        robot.infer(message(observation(0)))
        (row,) = fetch_json(site, "/api/status")["sessions"]
        assert (row["turns"], row["shown"], row["instruction"]) == (1, False, "press the button")
        assert "wait for its next answer" in fetch_json(site, f"/api/sessions/{row['id']}", expect=404)["error"]
        with Watching(site):
            executed = np.full((3, ROBOT.action_dim), 0.25, np.float32)
            reply = robot.infer(message(observation(1), **{"polymath/executed": executed}))
            turn = fetch_json(site, f"/api/sessions/{row['id']}")
            assert (turn["turn"], turn["now"], len(turn["executed"])) == (2, 3, 3)
            assert np.allclose(turn["chunk"], reply["actions"], atol=1e-4)
            picture = pixels(fetch(site, f"/api/sessions/{row['id']}/cameras/0")[2])
            assert np.abs(picture - observation(1).images["front"]).mean() < 12
            assert fetch(site, f"/api/sessions/{row['id']}/attention/0?latent=1")[0] == 200
            what_if = fetch_json(site, f"/api/sessions/{row['id']}/predictions", {"instruction": "lift the cube"})
            assert np.abs(np.array(what_if["chunk"]) - turn["chunk"]).max() > 0
            assert fetch_json(site, "/api/status")["sessions"][0]["turns"] == 2, "the robot was not told"
        for _ in range(100):
            if fetch(site, f"/api/sessions/{row['id']}")[0] == 404:
                break
            time.sleep(0.05)
        assert fetch(site, f"/api/sessions/{row['id']}")[0] == 404, "pictures are let go when nobody looks"
    assert fetch_json(site, "/api/status")["latency"]["total"]["p50"] > 0


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("/api/episodes/2", None, 404, "episode 2: there are 0 to 1"),
        ("/api/episodes/-1", None, 404, "is no number"),
        ("/api/episodes/%D9%A3", None, 404, "is no number"),  # an Arabic three
        ("/api/episodes/99999999999999999999", None, 404, "is no number"),
        ("/api/episodes/0/steps/12/cameras/0", None, 400, "step 12: episode 0 has steps 0 to 11"),
        ("/api/episodes/0/steps/0/cameras/2", None, 400, "camera 2: choose 0 to 1"),
        ("/api/episodes/0/steps/0/attention/0?latent=999", None, 400, "latent '999': choose 0 to"),
        ("/api/episodes/0/steps/0/attention/0?latent=%00", None, 400, "choose 0 to"),
        ("/api/episodes/0/steps/0/attention/0?latent=00000099", None, 400, "latent '00000099': choose 0 to"),
        (f"/api/episodes/0/steps/0/attention/0?latent={'0' * 5000}", None, 400, "choose 0 to"),
        ("/api/sessions/7", None, 404, "session 7: is not connected"),
        ("/api/episodes/0/predictions", b"{", 400, "is no JSON"),
        ("/api/episodes/0/predictions", b"[" * 60_000, 400, "is no JSON"),
        ("/api/episodes/0/predictions", b"\xff\xfe", 400, "is no JSON"),
        ("/api/episodes/0/predictions", b"[]", 400, "a list; send a JSON object"),
        ("/api/episodes/0/predictions", b'{"step": NaN}', 400, "step: a float"),
        ("/api/episodes/0/predictions", {"step": True}, 400, "step: a bool"),
        ("/api/episodes/0/predictions", {"step": 10**30}, 400, "steps 0 to 11"),
        ("/api/episodes/0/predictions", {"step": 0, "steps": 1}, 400, "no field 'steps'"),
        ("/api/episodes/0/predictions", {"step": 0, "instruction": 3}, 400, "instruction: a int"),
        ("/api/episodes/0/predictions", {"step": 0, "instruction": "\ud800"}, 400, "surrogate"),
        ("/api/episodes/0/predictions", {"step": 0, "instruction": ""}, 400, "instruction: is empty"),
        ("/api/episodes/0/predictions", {"step": 0, "instruction": "a" * 5000}, 400, "5,000 characters"),
        ("/api/episodes/0/predictions", {"step": 0, "instruction": "a" * 70_000}, 413, "more than 65,536 bytes"),
    ],
)
def test_bad_requests_get_one_line(site: Server, path: str, body: object, status: int, text: str) -> None:
    got, headers, content = fetch(site, path, body)
    assert got == status, content
    error = json.loads(content)["error"]
    assert text in error
    assert "\n" not in error
    assert "default-src 'none'" in headers["content-security-policy"]


def test_a_body_that_does_not_come_is_not_waited_for(policies: dict[str, Policy], recordings: Recordings) -> None:
    """One byte of nine: 408 of RFC 9110, and the connection ends."""
    head = "POST /api/episodes/0/predictions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with running([served(policies["plain"])], Limits(head=0.3, send=1.0), recordings=recordings) as server:
        with socket.create_connection(urlsplit(server.url).netloc.split(":"), timeout=30) as slow:
            slow.sendall(f"{head}Content-Length: 9\r\n\r\n{{".encode())
            reply = b""
            while part := slow.recv(4096):
                reply += part
        assert reply.startswith(b"HTTP/1.1 408 ")
        assert b"body: has not come whole within 0.3 s" in reply
        assert fetch(server, "/healthz")[0] == 200


def test_a_form_of_another_site_is_refused(site: Server) -> None:
    assert fetch(site, "/api/episodes/0/predictions", b"step=0", headers={"content-type": "text/plain"})[0] == 415
    assert fetch(site, "/api/status", headers={"Origin": "https://elsewhere.example"})[0] == 403


def test_episodes_of_another_robot_print_both_sides(policies: dict[str, Policy], recordings) -> None:
    from dataclasses import replace

    from polymath.serving.page.recordings import Recordings

    other = Episodes()
    other.embodiment = replace(ROBOT, name="other-arm")  # type: ignore[misc]
    with running([served(policies["plain"])], recordings=Recordings("elsewhere", other)) as server:
        error = fetch_json(server, "/api/episodes/0", expect=409)["error"]
    assert "'other-arm'" in error
    assert "'test-arm'" in error


def test_robots_that_have_been_idle_for_too_long_do_not_keep_the_page_out(policies, recordings) -> None:
    limits = Limits(sessions=1, idle=0.5, send=1.0)
    with running([served(policies["plain"])], limits, recordings=recordings) as server, Client(server.url) as robot:
        robot.infer(message(observation(0)))
        assert (
            "every session is a robot's"
            in fetch_json(server, "/api/episodes/0/predictions", {"step": 0}, expect=503)["error"]
        )
        time.sleep(0.6)
        assert fetch_json(server, "/api/episodes/0/predictions", {"step": 0})["step"] == 0


def test_everything_is_behind_the_key(policies: dict[str, Policy], recordings) -> None:
    with running([served(policies["plain"])], keys=Keys([KEY]), recordings=recordings) as server:
        for path in ("/", "/page/page.js", "/api/status", "/api/events", "/api/episodes/0", "/api/openapi.json"):
            status, headers, _ = fetch(server, path)
            assert status == 401, path
            assert headers["www-authenticate"].startswith("Basic ")
        assert fetch(server, "/api/status", headers={"Authorization": f"Bearer {KEY}"})[0] == 200


def test_events_end_when_the_server_drains(policies: dict[str, Policy]) -> None:
    with running([served(policies["plain"])]) as server:
        begin = time.monotonic()
        watching = Watching(server)
    assert time.monotonic() - begin < 8, "a page that looks does not hold up the drain"
    watching.socket.close()


def test_a_page_that_reads_nothing_holds_up_nobody(site: Server) -> None:
    deaf = [Watching(site) for _ in range(16)]
    assert fetch(site, "/api/events")[0] == 503
    for each in deaf:
        each.socket.close()
    for _ in range(200):
        if site.service.watch.watchers == 0:  # type: ignore[attr-defined]
            break
        time.sleep(0.05)
    assert site.service.watch.watchers == 0  # type: ignore[attr-defined]


def test_nothing_on_the_page_comes_from_elsewhere(site: Server) -> None:
    for path in ("/", "/page/page.css", "/page/style.css", "/page/page.js", "/page/view.js", "/page/curves.js"):
        status, headers, content = fetch(site, path)
        assert status == 200, path
        assert "default-src 'none'" in headers["content-security-policy"]
        text = content.decode().replace("http://www.w3.org/2000/svg", "")
        assert "http" not in text.replace("https://html.spec", ""), path
        assert "innerHTML" not in text
    assert fetch(site, "/page/../routes.py")[0] == 404
    assert fetch(site, "/page/%2e%2e/routes.py")[0] == 404
