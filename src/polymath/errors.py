"""Errors that a user can act on: each message names the file, the field and the remedy."""

import difflib
from collections.abc import Iterable


class PolymathError(Exception):
    """Base of every error that Polymath-V raises on purpose; the command line prints it without a traceback."""


class ConfigError(PolymathError):
    """A preset, an override or a run directory's configuration does not fit."""


class DataError(PolymathError):
    """An episode, an image-text pair or a shard cannot be used as it is; `kind`, one word, is for counts of reasons."""

    def __init__(self, message: str = "", kind: str = "other") -> None:
        super().__init__(message)
        self.kind = kind


class CheckpointError(PolymathError):
    """A checkpoint is missing, incomplete or belongs to another configuration."""


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """The end of a message about an unknown name: the three nearest of `names`, or all of them where none is near."""
    names = list(names)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(close)}?" if close else f"choose from {', '.join(names)}"
