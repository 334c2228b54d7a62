"""Worker processes: results in order, and none of them outlives a parent that was killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from polymath.benchmarks.metaworld.parallel import simulate_in_parallel, simulator

ENDLESS = """
import sys
sys.path.insert(0, {folder!r})
from test_parallel import show_pid_and_wait
from polymath.benchmarks.metaworld.parallel import simulate_in_parallel
if __name__ == "__main__":
    list(simulate_in_parallel(show_pid_and_wait, ["pid"], 1, "waiting", "ray", 8, ("front",)))
"""


def reset_to(seed):
    return seed, simulator().reset("reach-left", "train", seed).state[0]


def show_pid_and_wait(path):
    Path(path).write_text(str(os.getpid()))
    time.sleep(600)


def test_results_come_in_the_order_of_the_jobs():
    jobs = list(range(12))
    results = list(simulate_in_parallel(reset_to, jobs, 2, "resetting", "ray", 8, ("front",)))
    assert [seed for seed, _ in results] == jobs
    assert len({x for _, x in results}) == len(jobs)


def test_a_killed_parent_leaves_no_worker(tmp_path):
    script = tmp_path / "endless.py"
    script.write_text(ENDLESS.format(folder=str(Path(__file__).parent)))
    parent = subprocess.Popen([sys.executable, str(script)], cwd=tmp_path, stderr=subprocess.DEVNULL)
    pid = wait_for(lambda: (tmp_path / "pid").is_file() and (tmp_path / "pid").read_text())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_for(lambda: not alive(int(pid)))


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition, seconds=90):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.1)
    pytest.fail(f"not within {seconds} s")
