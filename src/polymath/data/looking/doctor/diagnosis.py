"""All checks over a set: a verdict for each episode, with reasons."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from polymath.data.files.quarantine import BadRow, Quarantine
from polymath.data.interface import EpisodeSet
from polymath.data.looking.doctor import set_notes
from polymath.data.looking.doctor.checks import ALL
from polymath.data.looking.doctor.findings import Finding, Verdict, verdict
from polymath.data.looking.doctor.population import Population
from polymath.data.looking.doctor.reading import read

MOMENTS = 32  # of an episode whose pictures are looked at


@dataclass(frozen=True)
class Diagnosis:
    """`unreadable` are the episodes that no reader accepts; they have no place in `population`."""

    name: str
    population: Population
    findings: tuple[Finding, ...]
    unreadable: tuple[BadRow, ...]
    notes: tuple[str, ...]
    lag: dict[str, Any] = field(default_factory=dict)

    def of(self, number: int) -> list[Finding]:
        """The findings of an episode, by its place in the population."""
        return [finding for finding in self.findings if finding.episode == number]

    def verdicts(self) -> list[Verdict]:
        """Of each episode of the population."""
        return [verdict(self.of(number)) for number in range(len(self.population.episodes))]

    def kept(self) -> list[str]:
        """Names of the episodes without a finding."""
        pairs = zip(self.population.episodes, self.verdicts(), strict=True)
        return [episode.name for episode, decision in pairs if decision == "keep"]


def diagnose(source: EpisodeSet, quarantine: Quarantine | None = None, moments: int = MOMENTS) -> Diagnosis:
    """Every check on every episode. Raises DataError if none can be read.

    `quarantine` holds the episodes that could not be opened; `moments` pictures of each camera are decoded.
    """
    quarantine = quarantine or Quarantine()
    episodes = read(source, moments, quarantine)
    hz = float(getattr(source, "fps", source.embodiment.control_hz) or 0)
    population = Population(source.embodiment, hz, episodes)
    return examined(source.name, population, tuple(quarantine.rows), tuple(getattr(source, "notes", ())))


def examined(
    name: str, population: Population, unreadable: tuple[BadRow, ...] = (), notes: tuple[str, ...] = ()
) -> Diagnosis:
    """Every check on episodes that were read; `notes` are what their reader says of the set."""
    findings = tuple(finding for check in ALL for finding in check(population))
    lag = set_notes.lag_summary(population)
    return Diagnosis(name, population, findings, unreadable, (*notes, *set_notes.notes(population)), lag)


def as_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """Plain values: the counts, what concerns the whole set, and each episode with its verdict and reasons."""
    verdicts = diagnosis.verdicts()
    episodes = [
        {
            "episode": episode.name,
            "verdict": verdicts[number],
            "task": episode.task,
            "control_steps": len(episode.actions),
            "reasons": [_reason(finding) for finding in diagnosis.of(number)],
        }
        for number, episode in enumerate(diagnosis.population.episodes)
    ]
    bad = [
        {
            "episode": row.row,
            "verdict": "drop",
            "reasons": [{"check": "unreadable", "verdict": "drop", "text": row.reason}],
        }
        for row in diagnosis.unreadable
    ]
    return {
        "path": diagnosis.name,
        "robot": diagnosis.population.robot.name,
        "cameras": list(diagnosis.population.robot.cameras),
        "control_hz": diagnosis.population.hz,
        "counts": {word: verdicts.count(word) for word in ("keep", "look", "drop")} | {"unreadable": len(bad)},
        "lag": diagnosis.lag,
        "notes": list(diagnosis.notes),
        "episodes": [*episodes, *bad],
    }


def _reason(finding: Finding) -> dict[str, Any]:
    steps: Sequence[int] | None = finding.steps
    return {
        "check": finding.check,
        "verdict": finding.severity,
        "text": finding.text,
        "steps": None if steps is None else list(steps),
        "fields": list(finding.fields),
    }
