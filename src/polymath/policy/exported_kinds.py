"""What `polymath export` wrote, told from a run directory and from each other."""

from pathlib import Path

from polymath.errors import ConfigError


def check_is_run(path: Path) -> None:
    """Raise ConfigError for a directory that `polymath export` wrote, of any format."""
    check_is_no_program(path)
    if is_exported(path):
        raise ConfigError(
            f"{path}: was written by `polymath export`; export the run itself, or bring it back first: "
            f"polymath import {path} --out RUN"
        )


def check_is_no_program(path: Path) -> None:
    """Raise ConfigError for a directory of `--format stablehlo`, whose weights lie one below."""
    if (path / "forward.jax").is_file() and not (path / "config.json").exists():
        raise ConfigError(f"{path}: holds a program (--format stablehlo); name the policy beside it, {path / 'policy'}")


def is_exported(directory: Path) -> bool:
    """Is it an exported directory, rather than a run?"""
    return not (directory / "checkpoints").is_dir() and (directory / "model.safetensors.index.json").is_file()
