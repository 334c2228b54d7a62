"""Pictures of a plan as inline SVG that fit any width: marks in percent, colours as classes `series-0` …"""

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from polymath.svg import element, line, percent, picture

GIB = 2**30


@dataclass(frozen=True)
class Key:
    """One entry of a legend; `colour` is the index of its colour class."""

    name: str
    colour: int
    value: str


@dataclass(frozen=True)
class Picture:
    """A drawing and its legend."""

    svg: Markup
    keys: list[Key]


def memory_bar(memory: dict[str, Any]) -> Picture:
    """One bar of the categories at the peak, against the usable memory of a chip (the mark)."""
    peak, usable = memory["peak_bytes"], memory["usable_bytes"]
    whole, left, marks, keys = 1.05 * max(peak, usable), 0.0, [], []
    for colour, (name, size) in enumerate(memory["categories"].items()):
        marks.append(_block(left, size / whole, 10, 70, colour % 8, f"{name} {size / GIB:.2f} GiB"))
        keys.append(Key(name, colour % 8, f"{size / GIB:.2f} GiB"))
        left += size / whole
    limit = percent(usable / whole)
    marks.append(line("limit", (limit, limit), ("0", "100%")))
    spoken = f"{peak / GIB:.2f} GiB of {usable / GIB:.2f} usable"
    return Picture(picture("bar", spoken, marks), keys)


def timeline(report: dict[str, Any], scenario: str) -> Picture:
    """The step from left to right: above what the chip computes, below what the network carries.

    Communication that computation hides runs below it; what is exposed stands alone, with nothing above.
    """
    phases = report["scenarios"][scenario]["phases"]
    step, start, marks = report["scenarios"][scenario]["step_seconds"], 0.0, []
    for colour, (name, time) in enumerate(phases.items()):
        hidden = time["communication"] - time["exposed"]
        work, exposed = time["compute"] / step, time["exposed"] / step
        marks.append(_block(start, work, 8, 34, colour, f"{name}: computes {time['compute']:.2f} s"))
        beside = min(hidden / step, work)
        note = f"{name}: communicates {time['communication']:.2f} s, {time['exposed']:.2f} s exposed"
        marks.append(_block(start + work - beside, beside, 56, 34, 6, note))
        marks.append(_block(start + work, exposed, 56, 34, 7, note))
        start += work + exposed
    keys = [Key(name, i, f"{time['total']:.2f} s") for i, (name, time) in enumerate(phases.items())]
    total = {kind: sum(time[kind] for time in phases.values()) for kind in ("communication", "exposed")}
    keys.append(Key("communication, hidden", 6, f"{total['communication'] - total['exposed']:.2f} s"))
    keys.append(Key("communication, exposed", 7, f"{total['exposed']:.2f} s"))
    return Picture(picture("bar tall", f"a step of {step:.2f} seconds", marks), keys)


def _block(left: float, width: float, top: float, height: float, colour: int, note: str) -> Markup:
    if width <= 0:
        return Markup("")
    return element(
        "rect",
        [element("title", [note])],
        class_=f"series-{colour}",
        x=percent(left, 3),
        width=percent(width, 3),
        y=f"{top}%",
        height=f"{height}%",
    )
