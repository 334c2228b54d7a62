"""An interpreter of a version that a simulator's packages run on, from all places where one may be."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from polymath.errors import ConfigError

_PROGRAM = "import sys, venv; print('%d.%d' % sys.version_info[:2]); print(sys.executable)"
_SECONDS = 30


def find_python(oldest: str, newest: str, chosen: str = "") -> Path:
    """The interpreter `chosen`, a path or a version, else one of the newest possible version.

    Looked for: our own, the search path, pyenv's versions, those that uv installed. Raises ConfigError with the command
    that gets one if there is none, or if `chosen` is another version.
    """
    possible = versions(oldest, newest)
    if chosen and not _is_version(chosen):
        return _chosen_path(chosen, possible)
    if chosen:
        if chosen not in possible:
            raise ConfigError(f"--python {chosen}: the simulator's packages need {_range(oldest, newest)}")
        possible = [chosen]
    for version in possible:
        for candidate in _candidates(version):
            its_version, python = _look_at(candidate)
            if its_version == version:
                return python
    raise ConfigError(
        f"no interpreter of {_range(possible[-1], possible[0])} on the search path, in pyenv's versions or among uv's; "
        f"get one (`uv python install {possible[0]}`, `pyenv install {possible[0]}`), or name it with --python PATH"
    )


def versions(oldest: str, newest: str) -> list[str]:
    """All from "3.11" to "3.8", the newest first."""
    first, last = (int(each.split(".")[1]) for each in (oldest, newest))
    return [f"3.{minor}" for minor in range(last, first - 1, -1)]


def version_of(python: Path) -> str:
    """Such as "3.8"; empty if it is no interpreter that runs and can make environments."""
    return _look_at(python)[0]


def _look_at(python: Path) -> tuple[str, Path]:
    """Its version and its own path, which is another one behind a launcher such as pyenv's; "" if it does not run."""
    try:
        run = subprocess.run(
            [python, "-c", _PROGRAM], capture_output=True, text=True, timeout=_SECONDS, check=False, env=plain()
        )
    except (OSError, subprocess.TimeoutExpired):
        return "", python
    lines = run.stdout.splitlines()
    return ("", python) if run.returncode or len(lines) != 2 else (lines[0], Path(lines[1]))


def plain() -> dict[str, str]:
    """Our environment variables without those that would lead another interpreter to our modules."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}


def _chosen_path(chosen: str, possible: list[str]) -> Path:
    path = Path(shutil.which(chosen) or chosen).absolute()
    version, python = _look_at(path)
    if not version:
        raise ConfigError(f"--python {chosen}: no such version, nor an interpreter that runs and has the module venv")
    if version not in possible:
        raise ConfigError(
            f"--python {chosen}: is Python {version}, the simulator's packages need {_range(possible[-1], possible[0])}"
        )
    return python


def _candidates(version: str) -> Iterator[Path]:
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        yield Path(getattr(sys, "_base_executable", sys.executable))
    on_path = shutil.which(f"python{version}")
    if on_path:
        yield Path(on_path)
    data = Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share"))
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(pyenv.glob(f"versions/{version}.*/bin/python"), reverse=True)
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR", data / "uv" / "python"))
    yield from sorted(uv.glob(f"cpython-{version}.*/bin/python3"), reverse=True)


def _is_version(text: str) -> bool:
    major, _, minor = text.partition(".")
    return major == "3" and minor.isdigit()


def _range(oldest: str, newest: str) -> str:
    return f"Python {oldest}" if oldest == newest else f"Python {oldest} to {newest}"
