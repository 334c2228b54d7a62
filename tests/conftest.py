"""Fixtures that several rooms' tests share."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from tests.compilation import QUICK

from polymath.workers.process import WorkerCommand

ROOT = Path(__file__).parent.parent

# Programs compiled by one test process are found by the others, and by the commands that tests start. Small ones too:
# each weight of a model is drawn by one. (By default jax keeps those of a second and more.) Set before jax is imported.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

# So is Python's bytecode, also where an image asks for none to be written: without it, importing jax and our code takes
# four seconds instead of two, and tests start hundreds of processes.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.setdefault("PYTHONPYCACHEPREFIX", str(ROOT / ".cache" / "python"))

if os.environ.get("POLYMATH_QUICK_COMPILATION"):  # as `make test` does for the rooms that may be compiled quickly
    os.environ.setdefault("XLA_FLAGS", QUICK)

# The same examples in every run, and no deadline: the first call of a jitted function compiles.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB, to fill. Needs the right to mount; skips where there is none."""
    place = tmp_path / "small_disk"
    place.mkdir()
    mounted = os.geteuid() == 0 and _run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place))
    if not mounted:
        pytest.skip("a small disk needs the right to mount a tmpfs (run as root)")
    yield place
    _run("umount", "--lazy", str(place))


@pytest.fixture
def point_worker(monkeypatch: pytest.MonkeyPatch) -> Callable[..., WorkerCommand]:
    """`point_worker(slots, fault)` is the command that starts the toy simulator's worker."""
    folder = str(Path(__file__).parent / "workers")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", folder, prepend=":")
    return lambda slots=1, fault="": WorkerCommand("point_worker", (str(slots), fault))


@pytest.fixture(scope="session")
def example_plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which examples/polymath_example_plugin is installed, as an installer leaves it; for PYTHONPATH."""
    source, target = ROOT / "examples" / "polymath_example_plugin", tmp_path_factory.mktemp("installed")
    shutil.copytree(source / "src", target, dirs_exist_ok=True)
    project = tomllib.loads((source / "pyproject.toml").read_text())["project"]
    info = target / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = project["entry-points"].items()
    lines = [f"[{group}]\n" + "".join(f"{name} = {at}\n" for name, at in entries.items()) for group, entries in groups]
    (info / "entry_points.txt").write_text("\n".join(lines))
    return target


@pytest.fixture(scope="session")
def beside_libtpu() -> Callable[..., str]:
    """Runs Python with these arguments where libtpu, the compiler for TPUs, is installed; returns what it printed.

    In this environment, or in the one that `make test` makes for it: `.venv-tpu` beside `.venv`. Needs no TPU.
    """
    python = Path(sys.executable)
    if importlib.util.find_spec("libtpu") is None:
        python = Path(f"{sys.prefix}-tpu/bin/python")
    if not python.exists():
        pytest.skip(f"needs libtpu, here or in {python.parent.parent.name}: `make test` makes it (x86-64 Linux)")
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "TPU_SKIP_MDS_QUERY": "1", "ALLOW_MULTIPLE_LIBTPU_LOAD": "1"}
    environment.pop("XLA_FLAGS", None)  # they are for the CPU's code

    def run(*arguments: str) -> str:
        done = subprocess.run([python, *arguments], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    return run


def _run(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
