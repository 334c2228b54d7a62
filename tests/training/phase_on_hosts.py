"""One of several processes that train a small phase together; ends as the command line does: 0, or 130 for a signal.

usage: phase_on_hosts.py OUT STEPS
"""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from tests.training.curves import LAYOUT, MODEL, OPTIMIZER, ROWS, random_batch

from polymath.interrupts import STATUS, remembered_interrupts
from polymath.presets.demo import TINY
from polymath.sharding import mesh as meshes
from polymath.training import losses
from polymath.training.loop import train_phase
from polymath.training.processes import start_processes
from polymath.training.run import DataRecord, Run
from polymath.types import Batch

SECONDS = 0.1  # that each batch takes


class SlowBatches:
    """Random batches by their number, as a loader gives them."""

    batch_rows = ROWS

    def iterate(self, start: int = 0, rows: Sequence[int] | None = None) -> Iterator[Batch]:
        for number in range(start, 10_000):
            time.sleep(SECONDS)
            batch = random_batch(number)
            yield batch if rows is None else Batch(*(x[rows] for x in batch))


def main(out: str, steps: str) -> int:
    alignment = replace(
        TINY.alignment,
        steps=int(steps),
        rows=ROWS,
        optimizer=replace(OPTIMIZER, spike_sigma=6.0),
        loss=losses.Config(tile=64),
        checkpoint_every=10_000,
        log_every=1,
    )
    mesh = meshes.Config(data=int(os.environ.get("JAX_NUM_PROCESSES", "1")))
    recipe = replace(TINY, model=MODEL, layout=LAYOUT, alignment=alignment, mesh=mesh)
    run = Run(Path(out), recipe, None, None, None, DataRecord((), ()))  # type: ignore[arg-type]
    try:
        with remembered_interrupts():
            start_processes(os.environ)
            Path(out).mkdir(exist_ok=True)
            train_phase(run, "alignment", SlowBatches(), lambda: None)  # type: ignore[arg-type]
    except KeyboardInterrupt:
        return STATUS
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
