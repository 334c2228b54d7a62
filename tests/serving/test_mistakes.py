"""Mistakes of whoever starts a server or connects to it: one line each, at once, and the server lives on."""

import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polymath import cli
from polymath.errors import ConfigError
from polymath.policy import Policy
from polymath.serving.access import Keys
from polymath.serving.endpoint import Tls
from polymath.serving.limits import Limits, message_bytes
from polymath.serving.run import Plan
from polymath.serving.server import Server

from .conftest import Client, certificate, message, observation, running, served
from .test_server import GOOD, KEY, get, refused

CA = """[ca]
default_ca = one
[one]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
[any]
commonName = supplied
"""


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["FILE"], "config.json: cannot be read (Not a directory)"),
        ([""], "RUN '': names no directory"),
        (["a="], "RUN 'a=': names no directory"),
        (["RUN", "--rows", "100000000"], "--rows 100000000: a pass holds 256 requests at most"),
        (["RUN", "--max-message", "nan"], "--max-message nan"),
        (["RUN", "--max-message", "inf"], "--max-message inf"),
        (["RUN", "--max-message", "1e-9"], "--max-message 1e-09"),
        (["RUN", "--max-connections", "600", "--max-sockets", "10"], "--max-connections 600: more robots than"),
        (["RUN", "--idle", "0"], "--idle 0: choose"),
        (["RUN", "--max-tokens", "-3"], "--max-tokens -3: choose"),
        (["RUN", "--assume-executed"], "--assume-executed: no run here has a history"),
    ],
)
def test_a_mistake_in_the_command_line_names_the_option(
    arguments: list[str], problem: str, runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("no run")
    places = {"RUN": str(runs["plain"]), "FILE": f"file={tmp_path / 'file'}"}
    words = [places.get(each, each) for each in arguments]
    assert cli.main(["serve", *words, "--port", "0", "--dry-run"]) == 2
    printed = capsys.readouterr().err
    assert problem in printed
    assert printed.count("\n") == 1


def test_json_belongs_to_a_dry_run(runs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["serve", str(runs["plain"]), "--port", "0", "--json"]) == 2
    assert "--json: belongs to --dry-run" in capsys.readouterr().err


def test_sizes_of_messages() -> None:
    assert message_bytes(0.5) == 2**19
    with pytest.raises(ConfigError, match="1024 at most"):
        message_bytes(1e9)


@pytest.mark.parametrize(("begin", "end"), [("2020", "2021"), ("2090", "2091")])
def test_a_certificate_that_is_out_of_date(begin: str, end: str, tmp_path: Path) -> None:
    chain, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate(chain, key)
    Tls(chain, key).check()
    (tmp_path / "ca.cnf").write_text(CA)
    (tmp_path / "index").write_text("")
    (tmp_path / "serial").write_text("01")
    times = f"-startdate {begin}0101000000Z -enddate {end}0101000000Z"
    for command in (
        "req -new -key key.pem -out request -subj /CN=localhost",
        f"ca -batch -config ca.cnf -selfsign -keyfile key.pem -in request -out old.pem {times}",
    ):
        subprocess.run(["openssl", *command.split()], cwd=tmp_path, check=True, capture_output=True)
    with pytest.raises(ConfigError, match=r"old.pem: certificate (has expired|is not yet valid).*renew it"):
        Tls(tmp_path / "old.pem", key).check()
    Tls(tmp_path / "old.pem", key).context()  # what is wrong with it is its dates alone


def test_a_certificate_that_is_not_for_servers(tmp_path: Path) -> None:
    """The extended key usage of RFC 5280, section 4.2.1.12: every client refuses one that is for clients alone."""
    chain, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    for usage in ("serverAuth", "clientAuth"):
        certificate(chain, key, f"extendedKeyUsage={usage}")
        if usage == "serverAuth":
            Tls(chain, key).check()
    with pytest.raises(ConfigError, match=r"--tls-cert .*purpose.*, so no client would connect; have one made"):
        Tls(chain, key).check()


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/?robto=droid", "?robto=: no option of this address; did you mean robot?"),
        ("/?execute=2", "?execute=: no option of this address; choose from robot"),
        ("/?robot=polymath&robot=droid", "?robot=: comes 2 times"),
        ("/vla-eval?exceute=4", "?exceute=: no option of this address; did you mean execute?"),
    ],
)
def test_options_of_the_address_that_mean_nothing_are_refused(plain: Server, path: str, problem: str) -> None:
    """A robot whose adapter was misspelt would be read as another one."""
    status, text = refused(plain.url, path)
    assert (status, text.strip().startswith(problem)) == (400, True), text
    with Client(plain.url, "/?robot=polymath") as client:
        client.infer(GOOD)


def test_a_name_that_was_made_to_point_here_opens_nothing(plain: Server) -> None:
    """DNS rebinding: Host and Origin of the attacker's page agree, and the address is this machine's."""
    port = plain.listener.getsockname()[1]
    evil = {"Host": f"evil.example:{port}"}
    for path in ("/", "/api/status", "/api/openapi.json"):
        status, text = get(plain.url, path, **evil)
        assert (status, "by its IP address or as localhost" in text) == (403, True), path
    assert refused(plain.url, Origin=f"http://evil.example:{port}")[0] == 403
    for path in ("/healthz", "/readyz", "/metrics"):
        assert get(plain.url, path, **evil)[0] == 200, path
    for host in ("localhost", f"LOCALHOST:{port}", f"[::1]:{port}", f"192.0.2.7:{port}"):
        assert get(plain.url, "/api/status", Host=host)[0] == 200, host


def test_with_keys_a_server_has_any_name(policies: dict[str, Policy]) -> None:
    with running([served(policies["plain"])], keys=Keys([KEY])) as server:
        headers = {"Host": "robots.example", "Authorization": f"Bearer {KEY}"}
        assert get(server.url, "/api/status", **headers)[0] == 200


@pytest.mark.parametrize("value", ["x", 3, np.zeros((1, 7)), np.zeros(4), [[np.nan] * 4]])
@pytest.mark.parametrize("key", ["polymath/executed", "polymath/committed"])
def test_actions_that_do_not_fit_are_refused_under_their_own_key(plain: Server, key: str, value: Any) -> None:
    with Client(plain.url) as client:
        with pytest.raises(RuntimeError, match=f"^{re.escape(key)}: "):
            client.infer(message(observation(0)) | {key: value})
        client.infer(GOOD)


def test_more_robots_than_the_usual_number_of_sockets(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--max-connections 64"):
        Plan({"a": tmp_path}, limits=Limits(sockets=8))
