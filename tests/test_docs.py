"""What the pages say is so: the site builds, every command shown parses, those of the command page run."""

import functools
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tyro.extras import SubcommandApp

from polymath import cli

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BIN = Path(sys.executable).parent


def shell_lines(page: Path, language: str) -> list[str]:
    """The lines of the fenced blocks of that language; of a `console` block only what is typed."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), flags=re.M | re.S)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line[2:] for line in lines if line.startswith("$ ")] if language == "console" else lines


def polymath_commands(page: Path) -> list[list[str]]:
    lines = [*shell_lines(page, "console"), *shell_lines(page, "bash")]
    words = [shlex.split(line, comments=True) for line in lines]
    return [word[1:] for word in words if word and word[0].removeprefix(".venv/bin/") == "polymath"]


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    built = subprocess.run(
        [BIN / "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    pages = {page.stem for page in (tmp_path / "site").glob("*.html")}
    assert pages >= {page.stem for page in (ROOT / "docs").glob("*.md")}
    loaded = re.findall(
        r'<(?:script|link|img)[^>]+(?:src|href)="(https?://[^"]+)', (tmp_path / "site/index.html").read_text()
    )
    assert loaded == [], "the built pages load nothing from another host"


def test_there_are_commands_to_check() -> None:
    assert len(polymath_commands(ROOT / "docs" / "commands.md")) > 10


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_shown_is_understood(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is parsed by the real command line, with the verbs' work left out."""
    _leave_out_the_work(cli.app, monkeypatch)
    for words in polymath_commands(page):
        assert cli.main(words) == 0, words


def _leave_out_the_work(app: SubcommandApp, monkeypatch: pytest.MonkeyPatch) -> None:
    for spec in app._subcommands.values():
        if isinstance(spec.target, SubcommandApp):
            _leave_out_the_work(spec.target, monkeypatch)
        else:
            monkeypatch.setattr(spec, "target", _without_work(spec.target))


def _without_work(verb: Callable) -> Callable:
    @functools.wraps(verb)
    def nothing(*args: object, **kwargs: object) -> int:
        return 0

    return nothing


def test_the_commands_of_the_command_page_run(tmp_path: Path) -> None:
    """In the order of the page, in one empty directory; this is the whole way through the command line."""
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    for line in shell_lines(ROOT / "docs" / "commands.md", "console"):
        ran = subprocess.run(
            shlex.split(line), cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, f"$ {line}\n{ran.stdout}{ran.stderr}"
        assert ran.stdout, f"{line}: says nothing"
    made = {path.name for path in tmp_path.iterdir()}
    written = {
        "episodes",
        "pairs",
        "episodes.png",
        "pairs.png",
        "doctor.html",
        "keep.txt",
        "tokenizer.json",
        "run",
        "exported",
        "run-again",
    }
    assert made == written | {"prepared", "run-prepared", "exported-for-lerobot"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_shown_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    shown = set(re.findall(r"(?:`|^\s*)make (?:[A-Z]+=\S+ )?([a-z-]+)", page.read_text(), flags=re.M))
    assert shown <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_named_in_a_page_exist(page: Path) -> None:
    text = page.read_text()
    named = set(re.findall(r"`((?:src|tests|docs|benchmarks)/[\w./-]+\.\w+)`", text))
    named |= {f"src/polymath/{name}" for name in re.findall(r"`((?:model|data|training)/\w+\.py)`", text)}
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
