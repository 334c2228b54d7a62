"""`polymath data inspect|doctor|prepare`."""

import os
from pathlib import Path
from typing import Any, Literal

from tyro.conf import Positional, UseAppendAction
from tyro.extras import SubcommandApp

from polymath.commands.data_doctor import doctor
from polymath.commands.output import print_json, print_table

app = SubcommandApp()
app.command(doctor)


@app.command
def inspect(
    path: Positional[str],
    sheet: Path | None = None,
    rerun: Path | None = None,
    normalization: Literal["quantiles", "mean-std", "min-max"] = "quantiles",
    json: bool = False,
) -> None:
    """What a data set holds: counts, lengths, statistics, what normalisation clips, warnings; pictures on request.

    Example: polymath data inspect episodes --sheet episodes.png

    Args:
        path: A data set of any format, as lerobot:PATH, calvin:PATH?split=validation, or PATH alone.
        sheet: Write a PNG of pictures and their text.
        rerun: Write a recording of a few episodes, which `rerun FILE` opens.
        normalization: How actions are scaled in the report on clipping; `train` has --set action_normalization.
        json: Print one JSON object instead of the tables.
    """
    from polymath.data.files.quarantine import Quarantine
    from polymath.data.looking.contact_sheet import check_png, write_contact_sheet
    from polymath.data.looking.inspection import open_for_looking, summarise
    from polymath.data.looking.kinds import is_episodes
    from polymath.data.looking.rerun_recording import write_recording
    from polymath.errors import ConfigError

    if sheet is not None:
        check_png(sheet)
    quarantine = Quarantine()
    source = open_for_looking(path, quarantine)
    summary = summarise(source, quarantine, normalization)
    if rerun is not None:
        if not is_episodes(source):
            raise ConfigError(f"--rerun {rerun}: {path} holds pairs; Rerun shows episodes, --sheet shows pairs")
        summary["rerun"] = {"path": str(rerun), "episodes": write_recording(source, rerun)}
    if sheet is not None:
        write_contact_sheet(source, sheet)
        summary["sheet"] = str(sheet)
    if json:
        print_json(summary)
    else:
        _print_summary(summary)


@app.command
def prepare(
    sources: Positional[tuple[str, ...]],
    out: Path,
    tokenizer: Path,
    preset: str = "demo",
    layout: UseAppendAction[tuple[tuple[str, ...], ...]] = (),
    set: UseAppendAction[tuple[tuple[str, ...], ...]] = (),
    engine: Literal["local", "ray"] = "local",
    workers: int = os.cpu_count() or 1,
    json: bool = False,
) -> None:
    """Any sources, validated, filtered, tokenised and packed into shards; interrupted, the same command resumes.

    Bad rows are listed in OUT/quarantine.parquet; OUT/card.html shows what the set holds and what was left out.

    Example: polymath data prepare pairs lerobot:episodes --tokenizer tokenizer.json --out prepared

    Args:
        sources: Data sets, as webdataset:PATH, rlds:PATH?split=val, or PATH alone.
        out: The directory to write; an unfinished one with the same settings is resumed.
        tokenizer: A tokenizer.json.
        preset: Whose sequence layout is packed for, see `polymath presets`.
        layout: Fields of that layout to change, as length=4096 max_images=64.
        set: Settings to change, as filter.min_side=64 max_bad_share=0.01.
        engine: This machine, or a Ray cluster whose nodes see the same paths.
        workers: Processes on this machine; they change the speed, never the data.
        json: Print one JSON object instead of the table.
    """
    from polymath.config import apply_overrides
    from polymath.data.prepare.pipeline import prepare as run
    from polymath.data.prepare.settings import Settings
    from polymath.presets import preset as find_preset

    chosen = apply_overrides(find_preset(preset).layout, [field for group in layout for field in group])
    settings = apply_overrides(Settings(), [field for group in set for field in group])
    summary = run(sources, tokenizer, chosen, out, settings, engine, workers)
    if json:
        print_json({"path": str(out), **summary})
        return
    columns = ["rows", "kept", "dropped", "bad", "documents", "records", "tokens"]
    rows = [[s["name"], *(s[c] for c in columns), f"{s['fill']:.1%}"] for s in summary["sources"].values()]
    print_table(["source", *columns, "filled"], rows)
    incomplete = [source for source in summary["sources"].values() if source["kept"] < source["rows"]]
    for source in incomplete:
        left_out, reasons = source["rows"] - source["kept"], source.get("reasons", {}).items()
        counts = ", ".join(f"{kind} {count:,}" for kind, count in reasons)
        print(f"\n{source['name']}: {left_out:,} rows left out ({left_out / source['rows']:.2%}): {counts}")
    if incomplete:
        print(f"each of them: {out}/quarantine.parquet (bad), {out}/dropped.parquet (filtered)")
    print(f"\n{out}/card.html")


def _print_summary(summary: dict[str, Any]) -> None:
    _print_facts(summary)
    for warning in summary["warnings"]:
        print(f"warning       {warning}")
    if summary["kind"] != "episodes":
        return
    print()
    print_table(["task", "episodes"], list(summary["tasks"].items()))
    for group in ("state", "action"):
        columns = list(next(iter(summary[group].values()), {}))
        print()
        print_table([group, *columns], [[name, *row.values()] for name, row in summary[group].items()])
    print()
    print_table(
        ["clipping", "dimension", "unit", "scaled by", "clipped", "largest error", "mean error"],
        [
            [
                *(row[column] for column in ("field", "dimension", "unit", "scaled_by")),
                f"{row['share']:.3%}",
                row["largest_error"],
                row["mean_error"],
            ]
            for row in summary["clipping"]
        ],
    )


def _print_facts(summary: dict[str, Any]) -> None:
    for name, value in summary.items():
        if name in ("tasks", "state", "action", "clipping", "warnings"):
            continue
        if isinstance(value, dict):
            value = ", ".join(f"{key} {inner}" for key, inner in value.items() if not isinstance(inner, list | dict))
        elif isinstance(value, list):
            value = " x ".join(map(str, value)) if name == "picture" else ", ".join(map(str, value))
        elif isinstance(value, float):
            value = f"{value:.3g}"
        print(f"{name.replace('_', ' '):<14}{value}")
