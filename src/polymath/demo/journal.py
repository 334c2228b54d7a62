"""What the demonstration has finished: OUT/demo.json, so that the next `polymath demo` continues there."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polymath import config
from polymath.demo.processes import Usage
from polymath.demo.settings import DemoSettings
from polymath.errors import ConfigError
from polymath.files import atomic_write


@dataclass(frozen=True)
class Journal:
    """The settings, the usage of each finished stage by name, and wall seconds and largest memory of the whole.

    Stages run side by side, so the whole takes less time than their sum, and more memory than the largest of them.
    """

    settings: DemoSettings
    stages: dict[str, Usage]
    wall_seconds: float = 0.0
    peak_memory: int = 0

    @property
    def whole(self) -> Usage:
        return Usage(self.wall_seconds, sum(usage.cpu_seconds for usage in self.stages.values()), self.peak_memory)


def open_journal(path: Path, settings: DemoSettings) -> Journal:
    """The journal in `path`, or an empty one. Raises ConfigError if it belongs to a demo of other settings."""
    if not path.exists():
        return Journal(settings, {})
    journal = config.load(Journal, path)
    recorded, ours = config.to_dict(journal.settings), config.to_dict(settings)
    for name, value in ours.items():
        if recorded[name] != value:
            raise ConfigError(
                f"{path}: settings.{name} is {_short(recorded[name])} there, but {_short(value)} is asked for; "
                "choose another --out, or the same setting to continue"
            )
    return journal


def save(path: Path, journal: Journal) -> Journal:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(config.to_dict(journal), indent=2) + "\n")
    return journal


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
