"""What others report on SIMPLER's WidowX tasks, visual matching: success in percent, full episodes, 24 start states.

One episode of 24 is 4.2 points; rows with more episodes a task say so. Forks that count a success at any step of an
episode (`success_once`) are not comparable and are not listed.
"""

from collections.abc import Mapping

from polymath.evaluation.benchmark import Published

SPOON, CARROT, STACK = "widowx_spoon_on_towel", "widowx_carrot_on_plate", "widowx_stack_cube"
EGGPLANT = "widowx_put_eggplant_in_basket"
TASKS = (SPOON, CARROT, STACK, EGGPLANT)

_SIMPLER = "Li et al., CoRL 2024; SimplerEnv, simpler_env/utils/metrics.py"
_SPATIAL = "Qu et al. 2025, SpatialVLA, README, table of SimplerEnv WidowX"
_OPEN_PI = "open-pi-zero, README, 240 episodes a task"
_OFT = "model card of Dexmal/simpler-db-oft"


def _row(method: str, setting: str, percent: tuple[float, float, float, float], source: str) -> Published:
    return Published(method, setting, dict(zip(TASKS, percent, strict=True)), source)


PUBLISHED = (
    _row("RT-1-X", "as released", (0.0, 4.2, 0.0, 0.0), _SIMPLER),
    _row("Octo-base", "as released, 3 seeds", (12.5, 8.3, 0.0, 43.1), _SIMPLER),
    _row("Octo-small", "as released, 3 seeds", (47.2, 9.7, 4.2, 56.9), _SIMPLER),
    _row("OpenVLA-7B", "as released", (0.0, 0.0, 0.0, 4.1), _SPATIAL),
    _row("RoboVLM", "zero-shot", (20.8, 25.0, 8.3, 0.0), _SPATIAL),
    _row("RoboVLM", "fine-tuned on Bridge", (29.2, 25.0, 12.5, 58.3), _SPATIAL),
    _row("SpatialVLA", "zero-shot", (20.8, 20.8, 25.0, 70.8), _SPATIAL),
    _row("SpatialVLA", "fine-tuned on Bridge", (16.7, 25.0, 29.2, 100.0), _SPATIAL),
    _row("open-pi-zero", "Bridge, uniform time, float32", (63.3, 58.8, 21.3, 79.2), _OPEN_PI),
    _row("open-pi-zero", "Bridge, beta time, float32", (84.6, 55.8, 47.9, 85.4), _OPEN_PI),
    _row("open-pi-zero", "Bridge, beta time, bfloat16", (83.8, 52.5, 52.5, 87.9), _OPEN_PI),
    _row("OpenVLA-OFT", "rerun by the authors of DB-OFT", (12.5, 4.2, 4.2, 100.0), _OFT),
    _row("DB-OFT", "fine-tuned on Bridge", (91.7, 76.4, 43.1, 94.4), _OFT),
)

REAL: Mapping[str, Mapping[str, float]] = {
    SPOON: {"RT-1-X": 0.0, "Octo-base": 0.333, "Octo-small": 0.417},
    CARROT: {"RT-1-X": 0.0, "Octo-base": 0.250, "Octo-small": 0.083},
    STACK: {"RT-1-X": 0.0, "Octo-base": 0.000, "Octo-small": 0.125},
    EGGPLANT: {"RT-1-X": 0.0, "Octo-base": 0.250, "Octo-small": 0.400},
}
"""Success rates of the same policies on the real robot, from the same file of SimplerEnv: task -> policy -> rate."""

SIMULATED: Mapping[str, Mapping[str, float]] = {
    SPOON: {"RT-1-X": 0.0, "Octo-base": 0.125, "Octo-small": 0.472},
    CARROT: {"RT-1-X": 0.042, "Octo-base": 0.083, "Octo-small": 0.097},
    STACK: {"RT-1-X": 0.0, "Octo-base": 0.000, "Octo-small": 0.042},
    EGGPLANT: {"RT-1-X": 0.0, "Octo-base": 0.431, "Octo-small": 0.569},
}
"""Their success rates in SIMPLER, from the same file."""
