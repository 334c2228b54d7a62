"""The command line that a report shows runs the same verb with the same arguments."""

import shlex
from pathlib import Path

from tyro.conf import Positional

from polymath.commands.again import command_line


def verb(
    thing: Positional[str],
    more: Positional[tuple[Path, ...]] = (),
    out: Path | None = None,
    tasks: tuple[str, ...] = (),
    episodes: int = 3,
    mixed_renderers: bool = False,
    json: bool = False,
) -> None:
    """A verb."""


def test_only_what_differs_from_the_defaults_is_said():
    arguments = {"thing": "a b", "more": (), "out": None, "tasks": (), "episodes": 3, "mixed_renderers": False}
    assert command_line("eval", verb, arguments | {"json": True}) == "polymath eval 'a b'"
    changed = {"more": (Path("x"),), "out": Path("o"), "tasks": ("t", "u"), "episodes": 5, "mixed_renderers": True}
    line = command_line("eval", verb, arguments | changed | {"json": True})
    assert line == "polymath eval 'a b' x --out o --tasks t u --episodes 5 --mixed-renderers"
    assert shlex.split(line)[2] == "a b"
