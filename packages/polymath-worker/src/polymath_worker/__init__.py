"""A simulator's side of Polymath-V's evaluation: messages, frames and the loop that answers them."""

from polymath_worker.protocol import VERSION, Hello, Observation
from polymath_worker.serve import Simulator, StepResult, run_worker, serve

__all__ = ["VERSION", "Hello", "Observation", "Simulator", "StepResult", "run_worker", "serve"]
