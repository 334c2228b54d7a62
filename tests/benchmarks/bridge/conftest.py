"""The worker's modules that need no simulator are imported from where the worker finds them."""

import sys

from polymath.benchmarks.bridge.benchmark import SIMULATOR

sys.path.insert(0, str(SIMULATOR))
