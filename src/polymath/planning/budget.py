"""The days of a run, one by one: what is lost every day, what remains, and which phase it goes to.

Every day loses, by assumption, one interruption (half of a checkpoint interval of work, and the restart: scheduling,
the compiled step from its cache, restoring), and the stalls of the checkpoints. The first day loses the start on top
(bringing up the hosts, importing weights, checking data), the last one the final evaluation and export.
"""

from typing import Any

from polymath.training.recipe import Phase

DAY = 86_400.0
RESTART = 600.0
START = 7_200.0
END = 7_200.0


def checkpoint_seconds(phase: Phase, step_seconds: float) -> float:
    """Seconds between two checkpoints of a phase: its minutes or its number of steps, whichever is over first."""
    by_steps = phase.checkpoint_every * step_seconds
    return by_steps if phase.checkpoint_minutes is None else min(by_steps, 60 * phase.checkpoint_minutes)


def goodput(stall: float, interval: float) -> float:
    """The share of a day in the middle of the run that goes into steps."""
    return working_seconds(2, 3, stall, interval) / DAY


def working_seconds(day: int, days: int, stall: float, interval: float) -> float:
    """Seconds of day 1, 2, … that go into steps.

    `stall`: seconds that training waits for a checkpoint, `interval`: seconds from one checkpoint to the next.
    """
    lost = RESTART + interval / 2 + stall * DAY / interval
    return DAY - lost - (START if day == 1 else 0) - (END if day == days else 0)


def by_day(
    step_seconds: float, tokens_per_step: int, stall: float, interval: float, phases: dict[str, int], days: int
) -> list[dict[str, Any]]:
    """Steps of each day and in all, the phases that it works on, tokens so far; days after the last step are empty."""
    left, done, carried, rows = dict(phases), 0, 0.0, []
    for day in range(1, days + 1):
        carried += working_seconds(day, days, stall, interval) / step_seconds
        room = int(carried)
        carried -= room
        worked: dict[str, int] = {}
        for phase in phases:
            taken = min(room, left[phase])
            left[phase], room, done = left[phase] - taken, room - taken, done + taken
            if taken:
                worked[phase] = taken
        rows.append({"day": day, "steps": worked, "steps_so_far": done, "tokens_so_far": done * tokens_per_step})
    return rows
