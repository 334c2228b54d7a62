"""Makes a simulator's environment: interpreter, checkouts, packages, `polymath_worker`, imports, step by step.

    HOME/simulators/NAME/bin/python        the interpreter that workers are started with
    HOME/simulators/NAME/src/CHECKOUT      repositories at their pinned commits
    HOME/simulators/NAME/setup.json        which steps are done
    HOME/simulators/NAME/setup.log         what uv or pip said last

Made with `uv` where there is one, else with venv and pip. Each finished step is noted, so that a run that was
interrupted, or that failed for want of a network, goes on where it stopped.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import polymath_worker
from polymath.errors import ConfigError
from polymath.files import atomic_write, disk_errors, one_at_a_time
from polymath.workers import checkouts
from polymath.workers.checkouts import Tell
from polymath.workers.pythons import find_python, plain, version_of, versions
from polymath.workers.setup import Setup

WORKER_REQUIREMENTS = ("msgpack>=1.0.5", "numpy>=1.20")
OFFLINE = (
    "name resolution",
    "resolve host",
    "dns error",
    "network is unreachable",
    "connection refused",
    "newconnectionerror",
    "failed to establish",
    "error sending request",
    "timed out",
    "proxyerror",
    "connectivity is disabled",
)
_SECONDS = 300


def make_environment(setup: Setup, sources: Sequence[Path], python: str, tell: Tell) -> Path:
    """The interpreter of the simulator's environment, which is made or completed.

    `sources` are the user's checkouts, `python` a version or the path of an interpreter; empty leaves it to us. `tell`
    gets a line for every step. Raises ConfigError naming the exact remedy, PolymathError where the disk is full.
    """
    folder = setup.folder
    with one_at_a_time(folder.parent), disk_errors(folder):
        interpreter = _virtual_environment(setup, python, tell)
        for checkout in setup.checkouts:
            checkouts.place(checkout, setup.checkout_folder(checkout), sources, tell)
        _install(setup, interpreter, tell)
        _put_worker(interpreter)
        tell(f"polymath_worker: version {polymath_worker.VERSION} of the protocol")
        if setup.finish is not None:
            setup.finish(folder, tell)
        for module in setup.imports:
            _check_import(setup, interpreter, module)
        if setup.imports:
            tell(f"imports: {', '.join(setup.imports)}")
    return interpreter


def _virtual_environment(setup: Setup, python: str, tell: Tell) -> Path:
    """An environment that is there is kept, if its version is the one that is wanted."""
    folder, interpreter = setup.folder, setup.folder / "bin" / "python"
    present = version_of(interpreter) if interpreter.exists() else ""
    oldest, newest = setup.python
    if present and not python and present in versions(oldest, newest):
        tell(f"environment: {folder}, Python {present}, is there")
        return interpreter
    base = find_python(oldest, newest, python)
    if present and present == version_of(base):
        tell(f"environment: {folder}, Python {present}, is there")
        return interpreter
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "pyvenv.cfg").is_file():
        raise ConfigError(f"{folder}: holds something that is no environment; move it away, and run the command again")
    tell(f"environment: {folder}, Python {version_of(base)} of {base}")
    shutil.rmtree(folder, ignore_errors=True)
    uv = find_uv()
    command = [uv, "venv", "--quiet", "--python", str(base)] if uv else [str(base), "-m", "venv"]
    folder.parent.mkdir(parents=True, exist_ok=True)
    run = subprocess.run([*command, folder], capture_output=True, text=True, check=False, env=plain())
    if run.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        raise ConfigError(
            f"{' '.join(command)}: {_reason(run.stdout + run.stderr)}; install uv, or the package of your system that "
            "brings the module venv (python3-venv)"
        )
    return interpreter


def find_uv() -> str | None:
    """The command `uv`, from the search path or beside our interpreter."""
    beside = Path(sys.executable).with_name("uv")
    return shutil.which("uv") or (str(beside) if os.access(beside, os.X_OK) else None)


def _install(setup: Setup, interpreter: Path, tell: Tell) -> None:
    """Packages, then checkouts; what was installed by the same recipe before is left alone."""
    wanted = sorted({*WORKER_REQUIREMENTS, *setup.packages})
    if wanted and _done(setup).get("packages") != wanted:
        tell(f"packages: {', '.join(wanted)}")
        _pip_install(setup, interpreter, wanted)
        _note(setup, packages=wanted)
    else:
        tell(f"packages: {len(wanted)} are there")
    installed = {each.name: each.commit for each in setup.checkouts if each.install}
    if installed and _done(setup).get("checkouts") != installed:
        folders = [str(setup.checkout_folder(each)) for each in setup.checkouts if each.install]
        _pip_install(setup, interpreter, ["--no-deps", *folders])
        _note(setup, checkouts=installed)
    found = [str(setup.checkout_folder(each)) for each in setup.checkouts if not each.install]
    if found:
        with atomic_write(_site_packages(interpreter) / "polymath_checkouts.pth") as temporary:
            temporary.write_text("".join(f"{folder}\n" for folder in found))


def _pip_install(setup: Setup, interpreter: Path, arguments: Sequence[str]) -> None:
    uv = find_uv()
    python = str(interpreter)
    command = [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install"]
    run = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False, env=plain())
    log = setup.folder / "setup.log"
    log.write_text(run.stdout + run.stderr)
    if run.returncode == 0:
        return
    text = (run.stdout + run.stderr).lower()
    remedy = (
        "the package index cannot be reached: connect, or name a mirror (PIP_INDEX_URL, UV_INDEX_URL)"
        if any(sign in text for sign in OFFLINE)
        else f"another --python ({setup.python[0]} to {setup.python[1]}) may have packages that fit; details in {log}"
    )
    raise ConfigError(
        f"{'uv' if uv else 'pip'} could not install {' '.join(arguments)} ({_reason(run.stdout + run.stderr)}); "
        f"{remedy}, and run `polymath setup {setup.name}` again; what is done is kept"
    )


def _put_worker(interpreter: Path) -> None:
    """Copy our own `polymath_worker` into the environment: always the version that this evaluator speaks."""
    target = _site_packages(interpreter) / "polymath_worker"
    temporary = target.with_name(f".polymath_worker.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    source = Path(polymath_worker.__file__).parent
    shutil.copytree(source, temporary, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)


def _site_packages(interpreter: Path) -> Path:
    program = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    run = subprocess.run([interpreter, "-c", program], capture_output=True, text=True, check=True, env=plain())
    return Path(run.stdout.strip())


def _check_import(setup: Setup, interpreter: Path, module: str) -> None:
    try:
        run = subprocess.run(
            [interpreter, "-c", f"import {module}"],
            capture_output=True,
            text=True,
            check=False,
            env=plain(),
            timeout=_SECONDS,
        )
        problem = _reason(run.stderr) if run.returncode else ""
    except subprocess.TimeoutExpired:
        problem = f"does not end within {_SECONDS} s"
    if problem:
        raise ConfigError(
            f"simulator {setup.name}: import {module} fails in {setup.folder} ({problem}); install what is missing, or "
            f"remove the directory and run `polymath setup {setup.name}` again"
        )


def _reason(text: str) -> str:
    """The line of an installer's or interpreter's output that says what went wrong."""
    lines = [line.strip(" \t│×╰─▶") for line in text.splitlines() if line.strip(" \t│×╰─▶")]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors or lines or ["it said nothing"])[-1][:300]


def _done(setup: Setup) -> dict[str, object]:
    try:
        return dict(json.loads((setup.folder / "setup.json").read_text()))
    except (OSError, ValueError, TypeError, RecursionError):
        return {}  # nothing is known to be done, so everything is done again


def _note(setup: Setup, **step: object) -> None:
    with atomic_write(setup.folder / "setup.json") as temporary:
        temporary.write_text(json.dumps(_done(setup) | step, indent=2) + "\n")
