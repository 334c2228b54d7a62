"""`polymath data inspect`."""

from pathlib import Path
from typing import Any

from tyro.conf import Positional
from tyro.extras import SubcommandApp

from polymath.cli_output import print_json, print_table

app = SubcommandApp()


@app.command
def inspect(path: Positional[Path], sheet: Path | None = None, json: bool = False) -> None:
    """What is in a data set: counts, lengths, statistics; on request a contact sheet of its pictures.

    Example: polymath data inspect episodes --sheet episodes.png

    Args:
        path: A LeRobot data set, a directory of WebDataset shards, or one shard.
        sheet: Write a PNG of pictures and their text.
        json: Print one JSON object instead of the tables.
    """
    from polymath.data.contact_sheet import write_contact_sheet
    from polymath.data.inspection import open_source, summarise

    source = open_source(path)
    summary = summarise(source)
    if sheet is not None:
        write_contact_sheet(source, sheet)
        summary["sheet"] = str(sheet)
    if json:
        print_json(summary)
        return
    _print_facts(summary)
    if summary["kind"] == "episodes":
        print()
        print_table(["task", "episodes"], list(summary["tasks"].items()))
        for group in ("state", "action"):
            columns = list(next(iter(summary[group].values())))
            print()
            print_table([group, *columns], [[name, *row.values()] for name, row in summary[group].items()])


def _print_facts(summary: dict[str, Any]) -> None:
    for name, value in summary.items():
        if name in ("tasks", "state", "action"):
            continue
        if isinstance(value, dict):
            value = ", ".join(f"{key} {inner}" for key, inner in value.items() if not isinstance(inner, list | dict))
        elif isinstance(value, list):
            value = " x ".join(map(str, value)) if name == "picture" else ", ".join(map(str, value))
        elif isinstance(value, float):
            value = f"{value:.3g}"
        print(f"{name.replace('_', ' '):<14}{value}")
