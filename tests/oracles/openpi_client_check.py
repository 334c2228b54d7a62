"""A run evaluated in process and through the real openpi-client, on the same seeds: `make openpi-client-check`.

    python tests/oracles/openpi_client_check.py RUN OUT OPENPI_PYTHON [TASK …]

Both answer in passes of 8 rows, so the actions are the same bits, and so are the episodes. Exits with 1 if an episode
ended otherwise, or the server did not end with status 0 after SIGTERM.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
POLYMATH = [sys.executable, "-c", "import sys; from polymath.cli import main; sys.exit(main())"]
EPISODES = "4"  # of each task
ROWS = "8"


def main(run: Path, out: Path, python: str, tasks: list[str]) -> int:
    """The exit status."""
    chosen = ["--tasks", *tasks] if tasks else []
    evaluate = ["eval", "metaworld", "--policy", str(run), "--name", "served", "--splits", "seen", *chosen]
    subprocess.run([*POLYMATH, *evaluate, "--episodes", EPISODES, "--out", str(out)], check=True)
    serve = ["serve", str(run), "--port", "0", "--rows", ROWS, "--log-level", "warning"]
    with subprocess.Popen([*POLYMATH, *serve], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        drive = [python, str(ROOT / "tests/oracles/openpi_drives.py"), url]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "packages/polymath-worker/src")}
        log = str(out / "episodes" / "served.jsonl")
        driven = subprocess.run([*drive, log, sys.executable], env=environment, check=False)
        server.send_signal(signal.SIGTERM)
        stopped = server.wait(60)
    print(f"after SIGTERM the server ended with status {stopped}")
    return 1 if driven.returncode or stopped else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4:]))
