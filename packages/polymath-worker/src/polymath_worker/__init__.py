"""A simulator's side of Polymath-V's evaluation: messages, frames and the loop that answers them."""

from polymath_worker.protocol import VERSION, Demonstration, Hello, Observation
from polymath_worker.serve import Outcome, Simulator, StepResult, run_worker, serve

__all__ = [
    "VERSION",
    "Demonstration",
    "Hello",
    "Observation",
    "Outcome",
    "Simulator",
    "StepResult",
    "run_worker",
    "serve",
]
