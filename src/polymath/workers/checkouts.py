"""The repositories that a simulator needs, at their pinned commits: from the user's own clones, or cloned."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from polymath.errors import ConfigError
from polymath.files import disk_errors
from polymath.workers.setup import Checkout

Tell = Callable[[str], None]


def place(checkout: Checkout, target: Path, sources: Sequence[Path], tell: Tell) -> None:
    """Make `target` the checkout at its commit, unless it is.

    `sources` are the user's directories: a clone (bare ones and submodules too), a plain copy, or a directory that
    holds one under the checkout's name. Without any, it is cloned from its address.
    Raises ConfigError naming the file, the commit or the command that is missing.
    """
    if state := _present(checkout, target, bool(sources)):
        tell(f"{checkout.name}: {state}")
        return
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.parent.mkdir(parents=True, exist_ok=True)
    try:
        with disk_errors(target):
            if sources:
                _take(checkout, temporary, sources, tell)
            else:
                _clone(checkout, temporary, tell)
        if missing := _missing(checkout, temporary):
            raise ConfigError(f"{checkout.name}: {checkout.url} lacks {missing} at commit {checkout.commit[:12]}")
        shutil.rmtree(target, ignore_errors=True)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _take(checkout: Checkout, temporary: Path, sources: Sequence[Path], tell: Tell) -> None:
    """From the first of the user's directories that has it."""
    problems = []
    for candidate in _candidates(checkout, sources):
        if _is_repository(candidate):
            if not _has_commit(candidate, checkout.commit):
                problems.append(f"{candidate} does not have commit {checkout.commit[:12]}: `git -C {candidate} fetch`")
                continue
            _git("clone", "--quiet", "--no-checkout", str(candidate.absolute()), str(temporary))
            _git("-C", str(temporary), "checkout", "--quiet", "--detach", checkout.commit)
            tell(f"{checkout.name}: commit {checkout.commit[:12]} from {candidate}")
            return
        if missing := _missing(checkout, candidate):
            problems.append(f"{candidate} lacks {missing}")
            continue
        shutil.copytree(candidate, temporary, symlinks=True)
        tell(f"{checkout.name}: copied from {candidate}, which is no git repository: its version is not checked")
        return
    shown = "; ".join(problems[:3]) or f"no directory {checkout.name} there"
    raise ConfigError(
        f"--from {' '.join(map(str, sources))}: no checkout of {checkout.name} ({shown}); name one that holds commit "
        f"{checkout.commit[:12]} of {checkout.url}, or leave --from out to clone it"
    )


def _clone(checkout: Checkout, temporary: Path, tell: Tell) -> None:
    tell(f"{checkout.name}: cloning commit {checkout.commit[:12]} of {checkout.url}")
    _git("init", "--quiet", str(temporary))
    try:
        _git("-C", str(temporary), "fetch", "--quiet", "--depth", "1", checkout.url, checkout.commit)
    except ConfigError as error:
        raise ConfigError(
            f"{error}; check the network, or clone it elsewhere and name the directory with --from PATH"
        ) from None
    _git("-C", str(temporary), "checkout", "--quiet", "--detach", "FETCH_HEAD")


def _candidates(checkout: Checkout, sources: Sequence[Path]) -> Iterator[Path]:
    """Directories that may be the checkout, the likeliest first. Raises ConfigError for a source that is not there."""
    for source in sources:
        if not source.is_dir():
            raise ConfigError(f"--from {source}: no such directory")
        named = [source / checkout.name, *sorted(source.glob(f"*/{checkout.name}"))]
        yield from (each for each in named if each.is_dir())
    yield from sources


def _is_repository(folder: Path) -> bool:
    """Whether it is a repository itself (a work tree, a submodule, a bare one), not a folder inside of one."""
    return (folder / ".git").exists() or ((folder / "HEAD").is_file() and (folder / "objects").is_dir())


def _present(checkout: Checkout, target: Path, has_sources: bool) -> str:
    """What is there and complete, empty if it has to be placed. A copy of unknown version gives way to a source."""
    if not target.is_dir() or _missing(checkout, target):
        return ""
    if not _is_repository(target):
        return "" if has_sources else "a copy of unknown version is there"
    head = _run_git("-C", str(target), "rev-parse", "HEAD").stdout.strip()
    return f"commit {checkout.commit[:12]} is there" if head == checkout.commit else ""


def _has_commit(folder: Path, commit: str) -> bool:
    return _run_git("-C", str(folder), "cat-file", "-e", f"{commit}^{{commit}}").returncode == 0


def _missing(checkout: Checkout, folder: Path) -> str:
    """The first of its files that is not in the folder, or nothing."""
    return next((file for file in checkout.files if not (folder / file).exists()), "")


def _git(*arguments: str) -> None:
    run = _run_git(*arguments)
    if run.returncode:
        lines = [line for line in run.stderr.splitlines() if line.strip()] or [f"exit status {run.returncode}"]
        raise ConfigError(f"git {' '.join(arguments)}: {lines[-1].strip()}")


def _run_git(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Directories of other users are allowed, since the user named them; nobody is asked for a password."""
    environment = os.environ | {"GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1", "LC_ALL": "C"}
    command = ["git", "-c", "safe.directory=*", "-c", "advice.detachedHead=false", *arguments]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment, stdin=subprocess.DEVNULL
        )
    except OSError:
        raise ConfigError(
            "git: no such command; install git, or unpack the repositories and name the directory with --from PATH"
        ) from None
