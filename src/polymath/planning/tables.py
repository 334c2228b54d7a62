"""The estimate for a person, as rich tables."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

GIB = 2**30
WIDTH = 110  # columns; narrower tables would cut numbers


def show(report: dict[str, Any]) -> None:
    """Print an estimate, and what was searched and compiled if it holds them."""
    console = Console()
    console.width = max(console.width, WIDTH)
    console.print(as_text(report))


def as_text(report: dict[str, Any]) -> RenderableType:
    """The tables of an estimate, in the order in which they are read."""
    parts: list[RenderableType] = [
        headline(report),
        memory(report),
        times(report),
        communication(report),
        formulas(report),
    ]
    if report.get("remedies"):
        parts.insert(2, remedies(report))
    if report.get("search"):
        parts.append(ranking(report["search"]))
    if report.get("compiled"):
        parts.append(compiled(report))
    return Group(*parts)


def headline(report: dict[str, Any]) -> RenderableType:
    """Model, mesh and batch, and whether they fit."""
    size = report["parameters"]["total"] / 1e9
    peak, usable = report["memory"]["peak_bytes"] / GIB, report["memory"]["usable_bytes"] / GIB
    verdict = "fits" if report["fits"] else "DOES NOT FIT"
    return Text(
        f"{report['preset']}: {size:.2f} B parameters on {report['topology']}, {report['devices']:,} chips, mesh "
        f"{report['mesh']}\n{report['batch']:,} x {report['context']:,} tokens, {report['images']} images a sequence, "
        f"remat {report['remat']}, {report['accumulation']} micro-batch(es): {verdict}, {peak:.2f} of {usable:.2f} "
        "GiB a chip",
        style="bold" if report["fits"] else "bold red",
    )


def memory(report: dict[str, Any]) -> RenderableType:
    table = _table("memory of a chip at the peak", "category", "GiB")
    for name, size in report["memory"]["categories"].items():
        table.add_row(name, f"{size / GIB:.2f}")
    table.add_row("peak", f"{report['memory']['peak_bytes'] / GIB:.2f}", style="bold")
    if report["memory"]["host_bytes"]:
        table.add_row("in the host's memory", f"{report['memory']['host_bytes'] / GIB:.2f}")
    return table


def remedies(report: dict[str, Any]) -> RenderableType:
    """What was tried to make it fit, and whether it does."""
    table = _table("what would make it fit", "option", "peak GiB", "fits")
    for row in report["remedies"]:
        table.add_row(row["options"], f"{row['peak_bytes'] / GIB:.2f}", "yes" if row["fits"] else "no")
    return table


def times(report: dict[str, Any]) -> RenderableType:
    """Seconds of a step by phase, utilisation, and how far the days go, a column for each scenario."""
    table = _table("time", "", *report["scenarios"])
    scenarios = list(report["scenarios"].values())
    rows: list[tuple[str, list[str]]] = [
        (f"{phase} s", [f"{s['phases'][phase]['total']:.2f}" for s in scenarios]) for phase in scenarios[0]["phases"]
    ]
    rows += [
        ("step s", [f"{s['step_seconds']:.2f}" for s in scenarios]),
        ("MFU %", [f"{100 * s['mfu']:.1f}" for s in scenarios]),
        ("HFU %", [f"{100 * s['hfu']:.1f}" for s in scenarios]),
        (f"steps in {report['days']:g} days", [f"{s['steps']:,}" for s in scenarios]),
        ("tokens, 1e12", [f"{s['tokens'] / 1e12:.3f}" for s in scenarios]),
        ("days per 1e12 tokens", [f"{s['days_per_trillion_tokens']:.1f}" for s in scenarios]),
    ]
    for name, cells in rows:
        table.add_row(name, *cells, style="bold" if name.startswith(("step s", "MFU")) else None)
    return table


def communication(report: dict[str, Any]) -> RenderableType:
    table = _table("communication of a chip in a step", "tensor", "kind", "over", "phase", "count", "GiB", "s")
    for move in report["communication"]:
        cells = (move["tensor"], move["kind"], move["axis"], move["phase"], f"{move['count']:,}")
        table.add_row(*cells, f"{move['bytes'] / GIB:.2f}", f"{move['seconds']:.2f}")
    return table


def formulas(report: dict[str, Any]) -> RenderableType:
    """What the figures were computed from: FLOPs, efficiencies, checkpoint, price."""
    kept, used = report["checkpoint"], report["scenarios"]["middle"]["efficiencies"]
    lines = [
        f"FLOPs of a step  {report['flops']['model']:.3e} = {report['flops']['formula']}",
        f"computed         {report['flops']['hardware']:.3e}, of the layers' products "
        f"{100 * report['flops']['recomputed_share']:.1f} % again",
        "middle           " + ", ".join(f"{name} {value:g}" for name, value in used.items()),
        f"checkpoint       {kept['bytes'] / 1e9:.1f} GB, {kept['bytes_per_host'] / 1e9:.2f} GB a host: waits "
        f"{kept['stall_seconds']:.2f} s, written in {kept['write_seconds']:.1f} s at an assumed "
        f"{kept['assumed_write_bytes_per_second_per_host'] / 1e9:g} GB/s a host",
        f"                 every {kept['interval_seconds'] / 60:,.1f} min: at one interruption a day "
        f"{100 * kept['goodput_at_an_interruption_a_day']:.1f} % of the time goes into steps",
    ]
    if report["money"]:
        price = report["money"]
        lines.append(
            f"money            {price['run']:,.0f} for {report['days']:g} days, "
            f"{price['per_trillion_tokens']:,.0f} per 1e12 tokens, at {price['price_per_chip_hour']:g} a chip and hour"
        )
    return Text("\n".join(lines))


def ranking(search: dict[str, Any]) -> RenderableType:
    table = _table("search", "mesh", "remat", "micro-batches", "peak GiB", "step s", "MFU % low", "middle", "high")
    for row in search["plans"]:
        cells = (str(row["mesh"]), row["remat"], str(row["accumulation"]), f"{row['peak_bytes'] / GIB:.2f}")
        table.add_row(*cells, f"{row['step_seconds']:.2f}", *(f"{100 * mfu:.1f}" for mfu in row["mfu"].values()))
    reasons = ", ".join(f"{reason} {count}" for reason, count in search["infeasible"].items()) or "none"
    return Group(table, Text(f"{search['feasible']} plans are feasible; not feasible: {reasons}"))


def compiled(report: dict[str, Any]) -> RenderableType:
    """What XLA made of the step beside the estimate, and its collectives by kind."""
    step = report["compiled"]
    table = _table("compiled, beside the estimate", "", "XLA", "estimate")
    table.add_row("peak GiB", f"{step['peak_bytes'] / GIB:.2f}", f"{step['estimate']['peak_bytes'] / GIB:.2f}")
    table.add_row("arguments GiB", f"{step['argument_bytes'] / GIB:.2f}", "")
    table.add_row("temporaries GiB", f"{step['temp_bytes'] / GIB:.2f}", "")
    wire = sum(row["wire_bytes"] for row in step["collectives"].values())
    table.add_row("received GiB", f"{wire / GIB:.1f}", f"{step['estimate']['wire_bytes'] / GIB:.1f}")
    counted = step["flops"]
    table.add_row("FLOPs, as XLA says", f"{counted['xla']:.3e}", "")
    table.add_row("  + loops' repetitions", f"{counted['loops']:.3e}", "")
    table.add_row("  + attention kernels", f"{counted['kernels']:.3e}", "")
    table.add_row("  matrix products in all", f"{counted['total']:.3e}", f"{step['estimate']['flops']:.3e}")
    for name, seconds in step["step_seconds"].items():
        table.add_row(f"step s, {name}", f"{seconds:.2f}", f"{report['scenarios'][name]['step_seconds']:.2f}")
    kinds = _table("its collectives", "kind", "count", "GiB", "asynchronous", "with work beside it")
    for kind, row in sorted(step["collectives"].items(), key=lambda item: -item[1]["bytes"]):
        shares = (f"{100 * row[part] / max(row['bytes'], 1):.0f} %" for part in ("async_bytes", "overlapped_bytes"))
        kinds.add_row(kind, f"{row['count']:,}", f"{row['bytes'] / GIB:.2f}", *shares)
    return Group(table, kinds)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", min_width=len(title), box=None, pad_edge=False)
    words: Sequence[str] = ("", "category", "tensor", "kind", "over", "phase", "mesh", "remat", "option")
    for column in columns:
        table.add_column(column, justify="left" if column in words else "right", no_wrap=True)
    return table
