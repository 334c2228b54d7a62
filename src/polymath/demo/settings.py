"""How large the demonstration is. The defaults are the demo; the tests run the same stages with smaller numbers."""

from dataclasses import dataclass

from polymath.benchmarks.metaworld.scene.tasks import TASKS


@dataclass(frozen=True)
class DemoSettings:
    """`episodes` are demonstrations per task, `eval_episodes` held-out layouts per task and split."""

    preset: str = "demo"
    tasks: tuple[str, ...] = tuple(name for name in TASKS if not name.startswith(("coffee", "reach")))
    episodes: int = 90
    pairs: int = 24_000
    eval_episodes: int = 8
    execute: int = 1  # actions of each chunk that are executed before the policy looks again
    seed: int = 0
    workers: int = 2


POLICY, PROPRIOCEPTION, NO_LANGUAGE, RANDOM = "polymath-v", "proprioception-only", "no-language", "random"
"""The trained policy, the two baselines that are trained the same way with something hidden, and chance."""

BASELINES = {
    NO_LANGUAGE: ("ablation.blank_instruction=true",),
    PROPRIOCEPTION: ("ablation.blank_images=true", "allow_untrained=true"),
}
"""What is set differently. The second sees no picture, so it trains beside the alignment, from a fresh draw; its rates
from aligned and from fresh weights stand in docs/demo.md.
"""
