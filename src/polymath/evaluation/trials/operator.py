"""The person beside the robot: what they are told, what they are asked, and whether they want a pause."""

import select
import sys
from typing import Protocol


class Operator(Protocol):
    """A terminal, or a script in a test."""

    def tell(self, text: str) -> None:
        """Show a line."""

    def ask(self, prompt: str) -> str:
        """Wait for a line."""

    def wants_pause(self) -> bool:
        """Whether a pause was asked for since the last call; never waits."""


class Terminal:
    """Standard input and output. While the robot moves, Enter pauses it.

    That is no emergency stop: the robot finishes the actions that it was sent.
    """

    def tell(self, text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def ask(self, prompt: str) -> str:
        """Raises KeyboardInterrupt where standard input ends, as for Ctrl-C."""
        sys.stdout.write(prompt)
        sys.stdout.flush()
        line = sys.stdin.readline()
        if not line:
            raise KeyboardInterrupt
        return line.strip()

    def wants_pause(self) -> bool:
        if not sys.stdin.isatty() or not select.select([sys.stdin], [], [], 0)[0]:
            return False
        sys.stdin.readline()
        return True
