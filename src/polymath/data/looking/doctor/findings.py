"""What a check says of an episode, and the verdict that follows."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["look", "drop"]
Verdict = Literal["keep", "look", "drop"]


@dataclass(frozen=True)
class Finding:
    """`episode` is its place in the set. `drop`: training on it would teach the fault; `look`: a person should decide.

    steps      first and last control step concerned, None for the whole episode
    fields     names of the states, actions or cameras concerned, which the page draws
    """

    check: str
    episode: int
    severity: Severity
    text: str
    steps: tuple[int, int] | None = None
    fields: tuple[str, ...] = ()


def verdict(findings: list[Finding]) -> Verdict:
    """The severest of an episode's findings; `keep` without one."""
    severities = {finding.severity for finding in findings}
    return "drop" if "drop" in severities else "look" if severities else "keep"
