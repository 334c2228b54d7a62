"""The simulator's side on the path: what of it needs numpy alone is tested here, in our own interpreter."""

import sys

import pytest

from polymath.benchmarks.libero.benchmark import HERE
from polymath.errors import ConfigError
from polymath.workers.interpreter import simulator_python

sys.path.insert(0, str(HERE / "simulator"))


@pytest.fixture(scope="session")
def libero_python() -> str:
    """The interpreter that has the simulator; tests that need it are skipped where there is none."""
    try:
        return simulator_python("libero")
    except ConfigError as error:
        pytest.skip(str(error))
