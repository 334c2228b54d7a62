"""A run directory is one training's alone, and keeps nothing of a failure before the first checkpoint."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from polymath.errors import ConfigError
from polymath.training.claim import LOCK, claimed, has_trained


def test_what_a_failed_training_wrote_is_gone(tmp_path: Path) -> None:
    out = tmp_path / "runs" / "a"
    with pytest.raises(ConfigError, match="no such tower"), claimed(out):
        (out / "config.json").write_text("{}")
        (out / "loader").mkdir()
        raise ConfigError("no such tower")
    assert not out.exists()


def test_an_empty_directory_that_was_there_stays(tmp_path: Path) -> None:
    with pytest.raises(ConfigError), claimed(tmp_path):
        (tmp_path / "start.json").write_text("{}")
        raise ConfigError("later")
    assert list(tmp_path.iterdir()) == []


def test_a_run_with_a_checkpoint_stays(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "checkpoints" / "robot" / "7").mkdir(parents=True)
    with pytest.raises(ConfigError), claimed(tmp_path):
        raise ConfigError("later")
    assert has_trained(tmp_path)
    assert (tmp_path / "config.json").exists()
    assert not (tmp_path / LOCK).exists()


def test_directories_of_other_things_are_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(ConfigError, match=r"holds other files \(thesis\.tex\) and no run"), claimed(tmp_path):
        pass
    with pytest.raises(ConfigError, match=r"thesis\.tex: is a file"), claimed(tmp_path / "thesis.tex"):
        pass
    with pytest.raises(ConfigError, match="lies in the data set"), claimed(tmp_path / "run", [tmp_path]):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


HOLDER = """
import sys
from pathlib import Path
from polymath.training.claim import claimed
with claimed(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_second_training_is_refused_with_the_process_and_a_dead_one_is_not(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-c", HOLDER, str(out)]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(ConfigError, match=f"process {holder.pid} on .* trains there"), claimed(out):
        pass
    assert (out / LOCK).exists()
    holder.kill()
    holder.wait()
    with claimed(out):
        assert f"process {os.getpid()} on" in (out / LOCK).read_text()
