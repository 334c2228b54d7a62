"""Where a training keeps its compiled programs: in processes of their own, because the cache is the process's."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import jax
from jax import monitoring
hits = []
monitoring.register_event_listener(lambda name, **_: hits.append(name) if name.endswith("/cache_hits") else None)
jax.jit(lambda x: x + 1)(1.0)  # a program before the cache is set
from polymath.training.compilation_cache import keep_programs
note = keep_programs()
jax.jit(lambda x: x * 3 + 1)(1.0)
print(len(hits), note)
"""


def compile_once(**variables: str) -> str:
    """What the program prints in this environment; every program is kept, however quickly it compiled."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    environment |= {"JAX_PLATFORMS": "cpu", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", **variables}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_restart_finds_its_programs_in_the_users_cache_folder(tmp_path: Path) -> None:
    assert compile_once(POLYMATH_HOME=str(tmp_path)) == "0 None"
    assert list((tmp_path / "compiled").iterdir())
    assert compile_once(POLYMATH_HOME=str(tmp_path)) == "1 None"


def test_jaxs_own_folder_and_its_off_switch_are_respected(tmp_path: Path) -> None:
    own = tmp_path / "own"
    assert compile_once(POLYMATH_HOME=str(tmp_path), JAX_COMPILATION_CACHE_DIR=str(own)) == "0 None"
    assert list(own.iterdir())
    compile_once(POLYMATH_HOME=str(tmp_path), JAX_ENABLE_COMPILATION_CACHE="false")
    assert not (tmp_path / "compiled").exists()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    line = compile_once(POLYMATH_HOME=str(tmp_path / "file"))
    assert "compiled: cannot be made (Not a directory), so each restart compiles again; set POLYMATH_HOME" in line
