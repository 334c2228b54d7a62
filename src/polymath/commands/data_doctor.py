"""`polymath data doctor`."""

from pathlib import Path
from typing import Any

from tyro.conf import Positional

from polymath.commands.again import command_line
from polymath.commands.output import print_json, print_table
from polymath.errors import ConfigError


def doctor(
    source: Positional[str],
    out: Path | None = None,
    write: Path | None = None,
    moments: int = 32,
    json: bool = False,
) -> None:
    """What is wrong with which episode: keep, look or drop, with reasons; every episode is compared with the others.

    Frozen, black, blurred and swapped cameras, lost control steps, lag between action and state, flipped grippers,
    duplicates, leaps, saturation, other units, unusual poses, idle ends, one task under two names.

    Example: polymath data doctor episodes --out doctor.html --write keep.txt

    Args:
        source: A data set of episodes of any format, as for `polymath data inspect`.
        out: Write a page with pictures and curves of every episode that has findings.
        write: Write the names of the episodes without findings; `polymath train --data 'episodes?episodes=@keep.txt'`
            trains on these.
        moments: Pictures of each camera and episode that are looked at, evenly spaced.
        json: Print one JSON object instead of the table.
    """
    from polymath.data.files.quarantine import Quarantine
    from polymath.data.looking.doctor.diagnosis import as_json, diagnose
    from polymath.data.looking.doctor.page import keep_lines, write_page
    from polymath.data.looking.inspection import open_for_looking
    from polymath.data.looking.kinds import is_episodes
    from polymath.files import atomic_write

    if out is not None and out.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"--out {out}: the report is one HTML page; give a name that ends in .html")
    if moments < 4:
        raise ConfigError(f"--moments {moments}: choose at least 4, for pictures that change between them")
    quarantine = Quarantine()
    episodes = open_for_looking(source, quarantine)
    if not is_episodes(episodes):
        raise ConfigError(f"{source}: holds pairs; the doctor looks at episodes, `polymath data inspect` at both")
    command = command_line("data doctor", doctor, locals())
    diagnosis = diagnose(episodes, quarantine, moments)
    summary = as_json(diagnosis)
    if out is not None:
        write_page(diagnosis, out, command)
        summary["page"] = str(out)
    if write is not None:
        kept = diagnosis.kept()
        if not kept:
            raise ConfigError(f"--write {write}: no episode is without a finding; see --out for the reasons")
        with atomic_write(write) as temporary:
            temporary.write_text(keep_lines(kept), encoding="utf-8")
        summary["kept"] = str(write)
    if json:
        print_json(summary)
    else:
        _print_summary(summary, source)


def _print_summary(summary: dict[str, Any], source: str) -> None:
    counts = summary["counts"]
    unreadable = f", {counts['unreadable']} cannot be read" if counts["unreadable"] else ""
    print(f"{source}: keep {counts['keep']}, look {counts['look']}, drop {counts['drop']}{unreadable}")
    for note in summary["notes"]:
        print(f"note          {note}")
    rows = [
        (each["episode"], reason["verdict"], reason["check"], reason["text"])
        for each in summary["episodes"]
        for reason in each["reasons"]
    ]
    if rows:
        print()
        print_table(["episode", "verdict", "check", "reason"], rows)
    if "kept" in summary:
        option = f"{'&' if '?' in source else '?'}episodes=@{summary['kept']}"
        print(f"\n{summary['kept']}: train on it with --data '{source}{option}'")
    if "page" in summary:
        print(summary["page"])
