"""Stage by stage to runs/demo/results.json and runs/demo/report.html; finished stages are not run again."""

import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from polymath.demo.journal import Journal, open_journal, save_stage
from polymath.demo.processes import Usage, run_together
from polymath.demo.report import write_demo_report
from polymath.demo.settings import POLICY, DemoSettings
from polymath.demo.stages import stages
from polymath.evaluation.results import Entry, Results, load_results


def run_demo(out: Path, settings: DemoSettings) -> Results:
    """Run what is not finished yet and give the success rates.

    Raises ConfigError if `out` holds a demo of other settings, PolymathError naming a command that failed.
    """
    out, console = Path(out), Console()
    journal_path = out / "demo.json"
    journal = open_journal(journal_path, settings)
    todo = stages(settings, out)
    for number, stage in enumerate(todo, start=1):
        heading = f"[bold]{number}/{len(todo)} {stage.title}[/bold]"
        if stage.name in journal.stages:
            console.print(f"{heading}: done before in {journal.stages[stage.name].wall_seconds:.0f} s")
            continue
        console.print(heading)
        for command in stage.commands:
            console.print(f"  polymath {' '.join(command)}", style="dim", soft_wrap=True, highlight=False)
        journal = save_stage(journal_path, journal, stage.name, run_together(stage.commands))
    if "report" not in journal.stages:
        started, cpu = time.monotonic(), time.process_time()
        write_demo_report(out, journal)
        usage = Usage(time.monotonic() - started, time.process_time() - cpu, 0)
        journal = save_stage(journal_path, journal, "report", usage)
    results = load_results(out / "results.json")
    _print_summary(console, out, results, journal)
    return results


def _print_summary(console: Console, out: Path, results: Results, journal: Journal) -> None:
    table = Table(title="Success rate on held-out layouts, with 95 % Wilson intervals")
    table.add_column("split")
    policies = [POLICY] + [name for name in results["seen"] if name != POLICY]
    for name in policies:
        table.add_column(name, justify="right")
    for split, entries in results.items():
        table.add_row(split, *[_cell(entries[name]) for name in policies])
    console.print(table)
    wall = sum(usage.wall_seconds for usage in journal.stages.values())
    cpu = sum(usage.cpu_seconds for usage in journal.stages.values())
    memory = max(usage.peak_memory for usage in journal.stages.values())
    console.print(
        f"Scripted-expert demonstrations on Meta-World. {wall / 60:.1f} minutes, {cpu:.0f} CPU-seconds, "
        f"{memory / 2**30:.1f} GiB at most.\n{out / 'results.json'}\n{out / 'report.html'}",
        highlight=False,
    )


def _cell(entry: Entry) -> str:
    low, high = entry.interval
    return f"{entry.rate:.0%} [{low:.0%}, {high:.0%}]"
