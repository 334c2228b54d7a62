"""`polymath setup`: environments made with a tiny simulator that the test writes, resumed, and refused with a remedy.

The simulator is a git repository and a wheel; numpy and msgpack are links to our own, so that no network is needed.
"""

import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import msgpack
import numpy
import pytest

from polymath import cli
from polymath.benchmarks import registry
from polymath.errors import ConfigError
from polymath.evaluation.benchmark import Benchmark
from polymath.types import Embodiment
from polymath.workers import environment, pythons
from polymath.workers.checkouts import place
from polymath.workers.environment import make_environment
from polymath.workers.process import WorkerCommand
from polymath.workers.pythons import find_python
from polymath.workers.setup import Checkout, Setup

OURS = f"{sys.version_info.major}.{sys.version_info.minor}"
POINT = Embodiment("point", 20, ("top",), ("x", "y"), ("dx", "dy"), (), 20.0)


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    return subprocess.run(
        ["git", "-C", folder, *identity, *arguments], check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository `point_env` with two commits, of which the first is the official one."""
    folder = tmp_path / "clones" / "point_env"
    folder.mkdir(parents=True)
    (folder / "point_sim.py").write_text("VERSION = 1\n")
    packages = Path(numpy.__file__).parents[1]
    for name in ("numpy", "numpy.libs", "msgpack"):
        if (packages / name).exists():
            (folder / name).symlink_to(packages / name)
    assert Path(msgpack.__file__).parents[1] == packages
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "official")
    (folder / "point_sim.py").write_text("VERSION = 2\n")
    git(folder, "commit", "--quiet", "--all", "--message", "later")
    return folder


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "point_wheel-1.0-py3-none-any.whl"
    info = "point_wheel-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("point_wheel.py", "")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: point-wheel\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def setup(repository: Path, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setup:
    monkeypatch.setenv("POLYMATH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(environment, "WORKER_REQUIREMENTS", ())
    checkout = Checkout(
        name="point_env",
        url=str(repository),
        commit=git(repository, "rev-parse", "HEAD~1").strip(),
        files=("point_sim.py",),
        install=False,
    )
    imports = ("point_sim", "point_wheel", "polymath_worker")
    return Setup("point", (OURS, OURS), (str(wheel),), (checkout,), imports, aliases=("dot",))


def steps(setup: Setup, *sources: Path, python: str = "") -> list[str]:
    told: list[str] = []
    make_environment(setup, sources, python, told.append)
    return told


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_an_environment_is_made_and_then_found(setup: Setup, repository: Path, monkeypatch, tool: str) -> None:
    if tool == "pip":
        monkeypatch.setattr(environment, "find_uv", lambda: None)
    elif environment.find_uv() is None:
        pytest.skip("needs uv")
    told = steps(setup, repository.parent)
    assert told[1].startswith("point_env: commit")
    assert told[-1] == "imports: point_sim, point_wheel, polymath_worker"
    python = setup.folder / "bin" / "python"
    program = "import point_sim, sys; print(point_sim.VERSION, 'polymath' in sys.modules)"
    assert subprocess.check_output([python, "-c", program], text=True).split() == ["1", "False"]
    assert [line.split()[-1] for line in steps(setup, repository)[:3]] == ["there", "there", "there"]


def test_the_command_starts_a_worker_and_the_evaluation_finds_it(
    setup: Setup, repository: Path, monkeypatch, capsys
) -> None:
    def worker(plan):
        return WorkerCommand("point_worker", (str(plan.slots),), plan.python, (str(Path(__file__).parent),))

    splits = {"seen": ("Seen", "")}
    benchmark = Benchmark(
        "point", POINT, ("a", "b"), splits, range(1000), worker, renderers=("drawn",), image_size=16, setup=setup
    )
    monkeypatch.setitem(registry.BUILT_IN, "point", benchmark)
    out = setup.folder.parents[2] / "out"
    words = ["eval", "point", "--policy", "random", "--episodes", "1", "--workers", "1", "--out", str(out)]
    assert cli.main(words) == 2
    error = capsys.readouterr().err
    assert "there is no" in error
    assert "`polymath setup point`, or name an interpreter that has it with --python or $POLYMATH_POINT_PYTHON" in error
    assert cli.main(["setup", "dot", "--from", str(repository)]) == 0
    assert "worker: point says hello, renderer drawn" in capsys.readouterr().out
    assert cli.main(words) == 0
    assert json.loads((out / "results.json").read_text())["seen"]["random"]["episodes"] == 2
    monkeypatch.setenv("POLYMATH_POINT_PYTHON", "/no/python")
    assert cli.main([*words, "--name", "other"]) == 2
    assert "$POLYMATH_POINT_PYTHON: '/no/python' is no interpreter" in capsys.readouterr().err


def test_setup_of_what_needs_none(capsys) -> None:
    assert cli.main(["setup", "metaworld"]) == 2
    assert "needs no environment of its own: pip install 'polymath-v[sim]'" in capsys.readouterr().err
    assert cli.main(["setup", "metawrld"]) == 2
    assert "no such benchmark" in capsys.readouterr().err


def test_a_step_that_failed_is_done_again_and_the_others_are_not(setup: Setup, repository: Path, wheel: Path) -> None:
    hidden = wheel.rename(wheel.with_suffix(".hidden"))
    with pytest.raises(
        ConfigError, match=r"could not install .*run `polymath setup point` again; what is done is kept"
    ):
        steps(setup, repository)
    hidden.rename(wheel)
    told = steps(setup)
    assert told[0].endswith("is there")
    assert told[1].endswith("is there")
    assert told[2].startswith("packages: /")


def test_a_package_index_that_cannot_be_reached(setup: Setup, repository: Path, monkeypatch) -> None:
    for variable in ("UV_INDEX_URL", "UV_DEFAULT_INDEX", "PIP_INDEX_URL"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9/simple")
    for variable in ("UV_EXTRA_INDEX_URL", "UV_INDEX", "UV_FIND_LINKS", "PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("UV_NO_CACHE", "1")
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(ConfigError, match="the package index cannot be reached: connect, or name a mirror"):
        steps(replace(setup, packages=("polymath-package-that-is-nowhere",)), repository)


def placed(setup: Setup, *sources: Path) -> str:
    """What is told about the one checkout."""
    told: list[str] = []
    place(setup.checkouts[0], setup.checkout_folder(setup.checkouts[0]), sources, told.append)
    return " ".join(told)


def test_sources_of_every_shape(setup: Setup, repository: Path, tmp_path: Path) -> None:
    bare = tmp_path / "mirror"
    subprocess.run(["git", "clone", "--quiet", "--bare", repository, bare], check=True)
    assert f"from {bare}" in placed(setup, bare)
    plain = tmp_path / "unpacked" / "point_env"
    plain.mkdir(parents=True)
    (plain / "point_sim.py").write_text("VERSION = 1\n")
    shutil.rmtree(setup.folder)
    assert "is no git repository: its version is not checked" in placed(setup, plain.parent)
    assert "a copy of unknown version is there" in placed(setup)
    assert f"from {repository}" in placed(setup, repository)  # a source with a version replaces it
    assert placed(setup, bare).endswith("is there")


def test_without_a_source_it_is_cloned(setup: Setup) -> None:
    assert "cloning commit" in placed(setup)
    head = git(setup.checkout_folder(setup.checkouts[0]), "rev-parse", "HEAD")
    assert head.strip() == setup.checkouts[0].commit
    assert placed(setup).endswith("is there")


def test_an_environment_of_another_protocol_is_brought_up_to_date(setup: Setup, repository: Path) -> None:
    steps(setup, repository)
    [old] = setup.folder.glob("lib/python*/site-packages/polymath_worker/protocol.py")
    old.write_text(old.read_text().replace("VERSION = 2\n", "VERSION = 1\n"))
    steps(setup)
    assert "VERSION = 2\n" in old.read_text()


@pytest.mark.parametrize(
    ("sources", "change", "message"),
    [
        (("nowhere",), {}, "nowhere: no such directory"),
        (("empty",), {}, r"no checkout of point_env .*lacks point_sim.py.*name one that holds commit"),
        (("clones",), {"commit": "0" * 40}, r"does not have commit 000000000000: `git -C .*fetch`"),
        (("clones",), {"files": ("data.urdf",)}, "lacks data.urdf at commit"),
        (
            (),
            {"url": "/no/such/repository"},
            "check the network, or clone it elsewhere and name the directory with --from",
        ),
    ],
)
def test_checkouts_that_do_not_fit(setup: Setup, repository: Path, tmp_path: Path, sources, change, message) -> None:
    (tmp_path / "empty").mkdir()
    broken = replace(setup, checkouts=(replace(setup.checkouts[0], **change),))
    with pytest.raises(ConfigError, match=message):
        placed(broken, *(tmp_path / source for source in sources))
    assert not list(setup.folder.glob("src/*"))
    assert placed(setup, repository)  # nothing in the way of the right one


def test_an_import_that_fails_is_named(setup: Setup, repository: Path) -> None:
    with pytest.raises(ConfigError, match=r"import no_such_module fails in .*ModuleNotFoundError.*setup point` again"):
        steps(replace(setup, imports=("no_such_module",)), repository)


def test_a_folder_that_is_no_environment_is_left_alone(setup: Setup, repository: Path) -> None:
    setup.folder.mkdir(parents=True)
    (setup.folder / "thesis.txt").write_text("the only copy")
    with pytest.raises(ConfigError, match="holds something that is no environment; move it away"):
        steps(setup, repository)
    assert (setup.folder / "thesis.txt").exists()


def test_interpreters(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert pythons.version_of(find_python(OURS, OURS)) == OURS
    assert pythons.version_of(find_python(OURS, OURS, sys.executable)) == OURS
    with pytest.raises(ConfigError, match=r"no interpreter of Python 3\.97 to 3\.99 .*`uv python install 3\.99`"):
        find_python("3.97", "3.99")
    with pytest.raises(ConfigError, match=r"--python 3\.9: the simulator's packages need Python 3\.97 to 3\.99"):
        find_python("3.97", "3.99", "3.9")
    with pytest.raises(ConfigError, match=rf"is Python {OURS}, the simulator's packages need Python 3\.97"):
        find_python("3.97", "3.97", sys.executable)
    with pytest.raises(ConfigError, match="nor an interpreter that runs"):
        find_python(OURS, OURS, "/etc/passwd")
    shim = tmp_path / f"python{OURS}"
    shim.write_text("#!/bin/sh\necho 'pyenv: command not found' >&2; exit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert find_python(OURS, OURS) != shim
