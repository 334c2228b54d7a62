"""Stage by stage to runs/demo/results.json and runs/demo/report.html; finished stages are not run again."""

import time
from dataclasses import replace
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from polymath.demo.journal import Journal, open_journal, save
from polymath.demo.processes import Usage
from polymath.demo.report import write_demo_report
from polymath.demo.schedule import run_stages
from polymath.demo.settings import POLICY, DemoSettings
from polymath.demo.stages import Stage, stages
from polymath.evaluation.results import Entry, Results, load_results


def run_demo(out: Path, settings: DemoSettings) -> Results:
    """Run what is not finished yet and give the success rates.

    Raises ConfigError if `out` holds a demo of other settings, PolymathError naming a command that failed.
    """
    out, console = Path(out), Console()
    todo = stages(settings, out)
    journal = _run(todo, out, open_journal(out / "demo.json", settings), console)
    if "report" not in journal.stages:
        started, cpu = time.monotonic(), time.process_time()
        write_demo_report(out, journal)
        usage = Usage(time.monotonic() - started, time.process_time() - cpu, 0)
        wall = journal.wall_seconds + usage.wall_seconds
        journal = save(
            out / "demo.json", replace(journal, stages={**journal.stages, "report": usage}, wall_seconds=wall)
        )
    results = load_results(out / "results.json")
    _print_summary(console, out, results, journal.whole)
    return results


def _run(todo: list[Stage], out: Path, journal: Journal, console: Console) -> Journal:
    """Run the stages and keep the journal after each."""
    before, started = journal, time.monotonic()

    def heading(stage: Stage, state: str) -> None:
        console.print(f"[bold]{todo.index(stage) + 1}/{len(todo)} {stage.title}[/bold]{state}", highlight=False)

    def on_start(stage: Stage) -> None:
        heading(stage, "")
        console.print(f"  polymath {' '.join(stage.command)}", style="dim", soft_wrap=True, highlight=False)

    def on_end(stage: Stage, usage: Usage, peak: int) -> None:
        nonlocal journal
        heading(stage, f": done in {usage.wall_seconds:.0f} s")
        journal = Journal(
            journal.settings,
            {**journal.stages, stage.name: usage},
            before.wall_seconds + time.monotonic() - started,
            max(before.peak_memory, peak),
        )
        save(out / "demo.json", journal)

    for stage in todo:
        if stage.name in journal.stages:
            heading(stage, f": done before in {journal.stages[stage.name].wall_seconds:.0f} s")
    run_stages(todo, journal.stages, out / "programs", on_start, on_end)
    return journal


def _print_summary(console: Console, out: Path, results: Results, whole: Usage) -> None:
    table = Table(title="Success rate on held-out layouts, with 95 % Wilson intervals", box=SIMPLE)
    table.add_column("policy", no_wrap=True)
    for split in results:
        table.add_column(split, justify="right", no_wrap=True)
    for name in [POLICY] + [name for name in results["seen"] if name != POLICY]:
        table.add_row(name, *[_cell(entries[name]) for entries in results.values()])
    console.print(table)
    console.print(
        f"Scripted-expert demonstrations on Meta-World. {whole.wall_seconds / 60:.1f} minutes, "
        f"{whole.cpu_seconds:.0f} CPU-seconds, {whole.peak_memory / 2**30:.1f} GiB at most.\n"
        f"{out / 'results.json'}\n{out / 'report.html'}",
        highlight=False,
        soft_wrap=True,
    )


def _cell(entry: Entry) -> str:
    low, high = entry.interval
    return f"{entry.rate:.0%} ({100 * low:.0f}–{100 * high:.0f})"
