"""`polymath data prepare`: plan, documents, duplicates, shards, then the tables and the card; see `plan` for the files.

Whatever is finished is kept: after a kill at any moment the same command continues, and ends with the same bytes.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from polymath import config
from polymath.data.formats.opening import parse
from polymath.data.prepare import duplicates, engine, plan, quarantine, sources, units
from polymath.data.prepare.documents import layout_room
from polymath.data.prepare.finish import finish
from polymath.data.prepare.plan import Plan, PlannedSource
from polymath.data.prepare.reading import good_statistics
from polymath.data.prepare.settings import Settings
from polymath.data.robots.checks import check_grippers, check_slots
from polymath.data.robots.relative import check_absolute_names
from polymath.data.sequences.sequence import Layout
from polymath.errors import ConfigError
from polymath.tokenizer import Tokenizer
from polymath.types import Embodiment


def prepare(
    names: Sequence[str],
    tokenizer: Path,
    layout: Layout,
    out: Path,
    settings: Settings,
    where: engine.Engine = "local",
    workers: int = 1,
) -> dict[str, Any]:
    """Prepare the sources into `out`, or continue with it. Gives what prepared.json holds.

    `workers` processes share the units on this machine; they change the speed, never the data.

    Raises ConfigError if a source is named twice, `out` belongs to another plan, cannot be written, lies in a source
    or is being written by another preparation, or if a source changed since the preparation began; DataError with a
    table if too many rows are bad.
    """
    if not names:
        raise ConfigError("prepare: name at least one source")
    if workers < 1:
        raise ConfigError(f"--workers {workers}: must be 1 or more processes; leave it out for one a core")
    engine.start(where)
    units.forget()
    out = Path(out).absolute()
    sources.check_apart(out, names)
    sources.check_once(names)
    with sources.sole_use(out):
        if (out / "prepared.json").is_file():
            plan.same(out, names, layout, settings, tokenizer)
            shutil.rmtree(out / ".work", ignore_errors=True)  # killed between the last file and this
            return json.loads((out / "prepared.json").read_text())
        sources.check_writable(out)
        (out / ".work").mkdir(exist_ok=True)
        planned = _make_plan(names, tokenizer, layout, out, settings)
        _remove_partial_files(out, planned)
        engine.run("documents", units.make_documents, out, planned.units, workers)
        quarantine.write(out, planned)
        duplicates.write_late_rows(out, planned)
        engine.run("shards", units.write_shard, out, planned.units, workers)
        summary = finish(out, planned)
        shutil.rmtree(out / ".work", ignore_errors=True)
        return summary


def _make_plan(names: Sequence[str], tokenizer: Path, layout: Layout, out: Path, settings: Settings) -> Plan:
    """Open every source once: its rows, what could not be opened, and of a robot its statistics."""
    if (out / "plan.json").is_file():
        former = plan.same(out, names, layout, settings, tokenizer)
        sources.check_unchanged(out, names)
        return former
    Tokenizer.load(tokenizer).save(out / "tokenizer.json")
    sources.remember(out, names)
    planned = []
    robots: list[tuple[str, Embodiment]] = []
    with quarantine.writing_opening(out) as opening:
        for number, name in enumerate(names):
            location = parse(name)
            rows = location.open(layout.image_size, opening.of_source(number, name), layout.image_fit)
            folder = plan.folder_name(number, name)
            (out / folder).mkdir(exist_ok=True)
            if location.kind == "episodes":
                robots.append((name, rows.embodiment))
                check_slots(robots)
                _store_robot(rows, layout, settings, out / folder)
            per_shard = settings.episodes_per_shard if location.kind == "episodes" else settings.pairs_per_shard
            renderer = getattr(rows, "recording", {}).get("renderer") if location.kind == "episodes" else None
            planned.append(PlannedSource(name, folder, location.kind, len(rows), per_shard, renderer))
    check_absolute_names(settings.form(layout.chunk_length), [robot for _, robot in robots])
    made = Plan(tuple(planned), layout, settings, plan.file_hash(tokenizer))
    config.save(made, out / "plan.json")
    return made


def _store_robot(rows: Any, layout: Layout, settings: Settings, folder: Path) -> None:
    """The robot of a set of episodes, and the statistics of those episodes that can be used."""
    robot = rows.embodiment
    lacking = layout_room(layout, robot)
    if lacking:
        raise ConfigError(f"{rows.name}: robot {robot.name!r} needs {lacking}; set it with --layout")
    statistics = good_statistics(rows, settings.action_normalization, settings.form(layout.chunk_length))
    check_grippers(robot, statistics.action, rows.name)
    config.save(robot, folder / "embodiment.json")
    config.save(statistics, folder / "statistics.json")


def _remove_partial_files(out: Path, planned: Plan) -> None:
    """What a killed run was writing."""
    for folder in (out, *(out / source.folder for source in planned.sources)):
        for partial in folder.glob(".*.partial"):
            partial.unlink(missing_ok=True)
    for partial in (out / ".work").rglob(".*.partial"):
        partial.unlink(missing_ok=True)
