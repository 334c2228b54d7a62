"""What is kept of a compiled step: its text and its memory, in files that another environment's Python reads."""

import importlib.metadata
import json
import time
from pathlib import Path
from typing import Any

MEMORY = ("temp_size_in_bytes", "argument_size_in_bytes", "peak_memory_in_bytes")


def store(step: Any, out: Path) -> None:
    """`step` is a jax.stages.Compiled."""
    stats = step.memory_analysis()
    figures: dict[str, Any] = {name: int(getattr(stats, name)) for name in MEMORY}
    figures["cpu_seconds"] = time.process_time()
    figures["versions"] = {name: importlib.metadata.version(name) for name in ("jax", "libtpu")}
    out.mkdir(parents=True, exist_ok=True)
    (out / "program.txt").write_text(step.as_text())
    (out / "memory.json").write_text(json.dumps(figures))
