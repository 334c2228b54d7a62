"""What is wrong with the settings of a server is one line, before anything slow."""

import json
import os
import shutil
import socket
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from polymath import cli, config
from polymath.errors import ConfigError
from polymath.policy import Policy
from polymath.serving.access import Keys
from polymath.serving.endpoint import Tls, listen, url_of
from polymath.serving.limits import Limits
from polymath.serving.loading import keep_programs
from polymath.serving.logs import json_logs
from polymath.serving.run import Plan, check, parse_runs

from .conftest import ROBOT, certificate

LONG = "0123456789abcdef"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "holds no key"),
        ("# nothing but a comment\n\n", "holds no key"),
        ("short\n", "line 1"),
        (f"{LONG}\n{LONG} {LONG}\n", "line 2"),
        (f"{LONG}ü\n", "line 1"),
    ],
)
def test_a_file_of_keys_that_lets_nobody_in_or_anybody(text: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "keys.txt"
    path.write_text(text)
    with pytest.raises(ConfigError, match=problem):
        Keys.load(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        Keys.load(tmp_path)


def test_keys_are_read_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "keys.txt"
    path.write_text(f"# robots of the lab\n  {LONG}a  \n\n{LONG}b\n")
    keys = Keys.load(path)
    assert keys.accept(f"Bearer {LONG}a")
    assert keys.accept(f"api-key {LONG}b")
    assert not keys.accept(f"Bearer {LONG}")
    assert not keys.accept(None)
    path.write_text(f"{LONG}a\r\n{LONG}b\r\n", "utf-8-sig")  # as an editor of Windows writes it
    assert all(Keys.load(path).accept(f"Bearer {LONG}{end}") for end in "ab")


def test_certificates_that_do_not_fit(tmp_path: Path) -> None:
    for name in ("one", "two"):
        certificate(tmp_path / f"{name}.pem", tmp_path / name)
    subprocess.run(
        ["openssl", "rsa", "-aes256", "-passout", "pass:secret", "-in", tmp_path / "one", "-out", tmp_path / "locked"],
        check=True,
        capture_output=True,
    )
    Tls(tmp_path / "one.pem", tmp_path / "one").context()
    for key in ("two", "locked"):
        with pytest.raises(ConfigError, match="cannot be used"):
            Tls(tmp_path / "one.pem", tmp_path / key).context()
    with pytest.raises(ConfigError, match=r"--tls-cert .*no such file"):
        Tls(tmp_path / "none.pem", tmp_path / "one").context()


def test_ports_and_hosts() -> None:
    with listen("127.0.0.1", 0) as first:
        first.listen()
        port = first.getsockname()[1]
        assert url_of(first, tls=True) == f"wss://127.0.0.1:{port}"
        with pytest.raises(ConfigError, match="is in use"):
            listen("127.0.0.1", port)
    for host, wrong in (("127.0.0.1", 70_000), ("no.such.host.invalid", 0), ("198.51.100.1", 0)):
        with pytest.raises(ConfigError):
            listen(host, wrong)
    if socket.has_ipv6 and os.path.exists("/proc/net/if_inet6"):
        with listen("::1", 0) as six:
            assert url_of(six, tls=False).startswith("ws://[::1]:")


@pytest.mark.parametrize("change", [{"rate": 0.0}, {"message": -1}, {"idle": float("nan")}, {"answer": float("inf")}])
def test_limits_are_finite_and_above_0(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        Limits(**change)


@pytest.mark.parametrize("damage", ["cut", "empty", "changed", "folder"])
def test_damaged_programs_are_compiled_anew_with_a_warning(
    damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a full disk, of another program: the answer is right, and the log says it in lines of JSON."""
    before = jax.config.jax_compilation_cache_dir
    place = tmp_path / "compiled"
    try:
        compilation_cache.reset_cache()
        keep_programs(place)
        with json_logs("info"):
            assert _compiled_answer() == 512.0
            programs = [file for file in place.iterdir() if file.name.endswith("-cache")]
            for file in programs:
                data = file.read_bytes()
                file.unlink()
                if damage == "folder":
                    file.mkdir()
                else:
                    middle = len(data) // 2
                    wrong = {"cut": data[:middle], "empty": b"", "changed": data[:middle] + b"?" * middle}
                    file.write_bytes(wrong[damage])
            assert _compiled_answer() == 512.0
    finally:
        compilation_cache.reset_cache()
        jax.config.update("jax_compilation_cache_dir", before)
    logged = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert len(programs) == sum("persistent compilation cache entry" in each["event"] for each in logged) > 0
    assert {each["level"] for each in logged} == {"warning"}


def _compiled_answer() -> float:
    """512, of a program that is not in memory."""
    jax.clear_caches()
    return float(jax.jit(lambda x: (x @ x).sum())(np.ones((8, 8), np.float32)))


def test_names_of_runs(tmp_path: Path) -> None:
    (tmp_path / "reach").mkdir()
    assert parse_runs((str(tmp_path / "reach"), f"b={tmp_path}/reach")) == {
        "reach": tmp_path / "reach",
        "b": tmp_path / "reach",
    }
    for texts, problem in (
        (("a=x", "a=y"), "two runs"),
        (("a/b=x",), "name 'a/b'"),
        (("metrics=x",), "name 'metrics'"),
        (("=x",), "name ''"),
        (("..=x",), "name '..'"),
    ):
        with pytest.raises(ConfigError, match=problem):
            parse_runs(texts)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "name at least one run"),
        (["nowhere"], "config.json"),
        (["RUN", "--tls-cert", "cert.pem"], "--tls-cert and --tls-key"),
        (["RUN", "--rows", "8", "1"], "--rows 8 1"),
        (["RUN", "--max-latency", "nan"], "--max-latency"),
        (["RUN", "--robot", "nobody"], "nobody"),
        (["RUN", "--keys", "nowhere.txt"], "nowhere.txt"),
        (["RUN", "--temperature", "0.5"], "temperature"),
        (["RUN", "--max-sockets", "100000000"], "--max-sockets"),
        (["RUN", "--max-rate", "-1"], "rate"),
    ],
)
def test_a_mistake_in_the_command_line_is_one_line(
    arguments: list[str], problem: str, runs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(runs["plain"]) if each == "RUN" else each for each in arguments]
    assert cli.main(["serve", *words, "--port", "0", "--dry-run"]) == 2
    said = capsys.readouterr().err
    assert problem in said
    assert said.count("\n") == 1


def test_a_dry_run_says_what_would_be_served(runs: dict[str, Path], policies: dict[str, Policy]) -> None:
    named = {"a": runs["plain"], "b": runs["streaming"]}
    report = check(Plan(named, port=0, rows=(1,), limits=Limits(tokens=4, sessions=1)))
    assert [(each["name"], each["window"], each["adapter"]) for each in report["models"]] == [
        ("a", 1, "polymath"),
        ("b", 4, "polymath"),
    ]
    assert report["adapters"] == [{"model": name, "conversions": [], "unverified": []} for name in named]
    parameters = sum(weight.size for weight in jax.tree.leaves(policies["plain"].params))
    assert report["models"][0]["weights_bytes"] == 4 * parameters  # float32


def test_an_adapter_that_disagrees_is_named_by_its_file(
    runs: dict[str, Path], half_sure: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    half_sure.write_text(half_sure.read_text().replace('frame = "base"', 'frame = "tool"'))
    assert cli.main(["serve", str(runs["plain"]), "--robot", str(half_sure), "--port", "0", "--dry-run"]) == 2
    printed = capsys.readouterr().err
    assert f"{half_sure}: adapter 'half-sure' and checkpoint disagree in one field: action.frame" in printed
    assert printed.count("\n") == 1


def test_a_dry_run_says_what_is_converted_and_what_nobody_verified(
    runs: dict[str, Path], half_sure: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(runs["plain"], tmp_path / "run")
    config.save(replace(ROBOT, conventions=None), run / "embodiment.json")
    options = ["--robot", str(half_sure), "--port", "0", "--rows", "1", "--max-tokens", "4", "--dry-run"]
    assert cli.main(["serve", f"tiny={run}", *options]) == 0
    printed = capsys.readouterr().out
    assert "tiny: converted: image BGR -> RGB\n" in printed
    assert "tiny: not verified, the run does not say it: action.frame\n" in printed
