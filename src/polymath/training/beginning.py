"""What a run began with, RUN/start.json: written before the first step, compared at every later call.

A phase continues the run's own phase before it, whatever start was named for the first one. So a later call may name
the same start again or none; another one is an error.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from polymath import config
from polymath.errors import ConfigError
from polymath.files import one_line

FILE = "start.json"
WEIGHT_FILES = (".safetensors", ".npz", ".json", ".model")
"""Files of a published folder that decide what its weights mean; a README may change."""


@dataclass(frozen=True)
class Files:
    """A file or a folder, and the SHA-256 of its contents."""

    path: str
    sha256: str


@dataclass(frozen=True)
class Beginning:
    """run: the checkpoint of another run; published: part of the model -> its files.

    trained: names of the weights that come from training elsewhere, not from a draw (adapted ones without `.base`).
    steps: of each phase, as they were planned when the run began; none in a run of an older version.
    """

    run: Files | None = None
    published: dict[str, Files] = field(default_factory=dict)
    trained: tuple[str, ...] = ()
    steps: dict[str, int] = field(default_factory=dict)

    def check_same(self, other: "Beginning", path: Path) -> None:
        """Raise ConfigError unless `other`, named at a later call, has the contents that this run began with."""
        recorded, named = self._contents(), other._contents()
        for part in sorted(recorded | named):
            ours, theirs = recorded.get(part), named.get(part)
            if (ours and ours.sha256) != (theirs and theirs.sha256):
                raise ConfigError(
                    f"{path}: the run began with {part} from {_shown(ours)}, now it is {_shown(theirs)}; leave the "
                    "start out or name the same one to continue, or choose another run directory"
                )

    def _contents(self) -> dict[str, Files]:
        run = {} if self.run is None else {"all weights": self.run}
        return run | self.published


def read(run: Path) -> Beginning | None:
    """None for a run of an older version, which did not record its start."""
    path = Path(run) / FILE
    return config.load(Beginning, path) if path.is_file() else None


def files(path: Path, suffixes: tuple[str, ...] | None = None) -> Files:
    """The file, or all files of the folder (of these suffixes), with one hash over their names and contents.

    Raises ConfigError if there is nothing to read.
    """
    path = Path(path)
    names = [path] if path.is_file() else sorted(_below(path, suffixes))
    if not names:
        raise ConfigError(f"{path}: no such file, or a folder without {' or '.join(suffixes or ('files',))}")
    total = hashlib.sha256()
    for name in names:
        try:
            with name.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ConfigError(f"{name}: cannot be read ({one_line(error)})") from None
        total.update(f"{name.relative_to(path) if name != path else ''} {content}\n".encode())
    return Files(str(path), total.hexdigest())


def _below(folder: Path, suffixes: tuple[str, ...] | None) -> Iterable[Path]:
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden and (suffixes is None or path.suffix in suffixes):
            yield path


def _shown(files: Files | None) -> str:
    return "a draw" if files is None else f"{files.path} (SHA-256 {files.sha256[:12]})"
