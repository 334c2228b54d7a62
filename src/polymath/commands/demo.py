"""`polymath demo`."""

from pathlib import Path

from tyro.conf import UseAppendAction

from polymath.extras import require


def demo(out: Path = Path("runs/demo"), set: UseAppendAction[tuple[tuple[str, ...], ...]] = ()) -> None:
    """The whole way on the embedded simulator: record, tokenize, align, fine-tune, evaluate, report.

    Run again, it continues with the first stage that is not finished.

    Example: polymath demo --out runs/demo-seed-1 --set seed=1

    Args:
        out: Where everything is written; results.json and report.html are what to look at.
        set: Settings to change, as field=value; the fields are those of polymath.demo.DemoSettings: preset, tasks,
            episodes (per task), pairs, eval_episodes (per task and split), execute, seed, workers.
    """
    from polymath.config import apply_overrides
    from polymath.demo import DemoSettings, run_demo

    require("sim", "polymath demo")
    run_demo(out, apply_overrides(DemoSettings(), [assignment for group in set for assignment in group]))
