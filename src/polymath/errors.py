"""Errors that a user can act on: each message names the file, the field and the remedy."""


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
