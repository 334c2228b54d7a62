"""What a history costs in an evaluation: sessions that stream, against recomputing every window.

    python benchmarks/sessions.py [--preset demo] [--window 4] [--sessions 8] [--rounds 5] [--json]

Sessions of a run of the preset's sizes (drawn weights) are answered together, each at another place of its window, as
in an evaluation. Recomputing is one forward pass over the prompts of the same windows, all in one batch, padded to that
of a full window. CPU seconds of the whole process for an answer to all sessions; the two take turns, round by round.
"""

import argparse
import json
import statistics as summary
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np

from polymath import specs as weights
from polymath.data.robots.statistics import FieldStatistics, Statistics
from polymath.data.sequences.packing import collate
from polymath.data.sequences.sequence import trajectory_length
from polymath.model import polymath_v
from polymath.policy import Policy
from polymath.policy.one_pass import bucket
from polymath.policy.session import Turn
from polymath.presets import preset
from polymath.tokenizer import ControlTokens, corpus, train
from polymath.training.run import DataRecord, Run
from polymath.types import Embodiment, Observation

ROBOT = Embodiment("arm", 0, ("front",), ("x", "y", "z", "g"), ("dx", "dy", "dz", "g"), (3,), 20.0)
INSTRUCTION = "press the left button from above"
STRIDE = 2


def field() -> FieldStatistics:
    low, zero, high = (-2.0,) * 4, (0.0,) * 4, (2.0,) * 4
    return FieldStatistics(9, zero, (1.0,) * 4, low, high, low, low, zero, high, high)


def make_run(name: str, window: int) -> Run:
    recipe = preset(name)
    layout = replace(recipe.layout, window=window, stride=STRIDE, max_images=window, max_control_steps=window)
    tokenizer = train(corpus.shipped(), recipe.model.decoder.vocabulary, ControlTokens(recipe.control_tokens))
    longest = trajectory_length(layout, len(tokenizer.encode(INSTRUCTION)), window, 1, ROBOT.action_dim)
    layout = replace(layout, length=longest + -longest % 32)
    return Run(
        Path("nowhere"),
        replace(recipe, layout=layout),
        tokenizer,
        ROBOT,
        Statistics(state=field(), action=field()),
        DataRecord((), ()),
    )


def observation(size: int, seed: int) -> Observation:
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
    return Observation({"front": picture}, rng.normal(size=4).astype(np.float32), INSTRUCTION, "arm")


def streaming(run: Run, params: polymath_v.Params, sessions: int) -> Callable[[], object]:
    """Session i began i answers before the others."""
    policy = Policy(run, params, "arm", batch=sessions)
    opened = [policy.open() for _ in range(sessions)]
    seen = [observation(run.recipe.layout.image_size, seed) for seed in range(sessions)]
    executed = np.zeros((STRIDE, ROBOT.action_dim), np.float32)
    for begun in range(sessions):
        for session in opened[: begun + 1]:
            session.act(seen[0], executed if session.history else None)
    return lambda: policy.answer([Turn(session, each, executed) for session, each in zip(opened, seen, strict=True)])


def recomputing(run: Run, params: polymath_v.Params, sessions: int) -> Callable[[], object]:
    """Windows of the lengths that a session goes through: from T // 2 + 1 observations to T."""
    layout, transform = run.recipe.layout, run.transform
    forward = jax.jit(lambda p, b: polymath_v.forward(p, run.recipe.model, b, run.recipe.execution).actions)
    executed = np.zeros((STRIDE, ROBOT.action_dim), np.float32)
    shortest = layout.window // 2 + 1
    lengths = [shortest + i % (layout.window - shortest + 1) for i in range(sessions)]
    seen = [observation(layout.image_size, seed) for seed in range(layout.window)]

    def answer() -> object:
        prompts = [transform.prompt(seen[:length], [executed] * (length - 1)) for length in lengths]
        length = bucket(max(len(prompt.tokens) for prompt in prompts), layout.length)
        batch = collate([[prompt] for prompt in prompts], replace(layout, length=length))
        actions = np.asarray(forward(params, batch))
        return [transform.chunk(actions[row, steps - 1], seen[steps - 1].state) for row, steps in enumerate(lengths)]

    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="demo")
    parser.add_argument("--window", type=int, default=4)
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    run = make_run(options.preset, options.window)
    params = weights.init(polymath_v.specs(run.recipe.model), jax.random.key(0))
    kinds = {
        "streaming": streaming(run, params, options.sessions),
        "recomputing": recomputing(run, params, options.sessions),
    }
    seconds: dict[str, list[float]] = {name: [] for name in kinds}
    answers = 2 * options.window  # at least one whole turn of the window
    for number in range(options.rounds + 1):
        for name, answer in kinds.items():
            before = time.process_time()
            for _ in range(answers):
                answer()
            if number:  # the first round compiles
                seconds[name].append((time.process_time() - before) / answers)
    middle = {name: summary.median(values) for name, values in seconds.items()}
    figures = {**vars(options), **middle, "ratio": middle["streaming"] / middle["recomputing"]}
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in middle.items():
        print(f"{name:12s} {1e3 * value:8.2f} CPU-ms for {options.sessions} sessions")
    print(f"streaming / recomputing = {figures['ratio']:.2f} at a window of {options.window}")


if __name__ == "__main__":
    main()
