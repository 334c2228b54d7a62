"""One answer of our policy, random weights. `polymath_policy.py chunk|stream|recompute SIZE STEPS`.

chunk      one observation without history
stream     one observation after a history of 8, which is in the key-value cache
recompute  the same, with the history computed again
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from sizes import INSTRUCTION, POLICIES
from sizes import Policy as Size
from timing import measure, report

from polymath import specs as weights
from polymath.data.robots.statistics import FieldStatistics, Statistics
from polymath.data.sequences.packing import collate
from polymath.data.sequences.sequence import Layout
from polymath.model import action_head, decoder, polymath_v, resampler, vit
from polymath.model.execution import Execution
from polymath.policy import Policy
from polymath.policy.one_pass import bucket
from polymath.presets.demo import TINY
from polymath.tokenizer import ControlTokens, corpus, train
from polymath.training.recipe import Recipe
from polymath.training.run import DataRecord, Run
from polymath.types import Embodiment, Observation


def robot(size: Size) -> Embodiment:
    return Embodiment(
        name="arm",
        slot=0,
        cameras=("front",),
        state_names=tuple(f"joint {i}" for i in range(size.state_dim)),
        action_names=tuple(f"joint {i}" for i in range(size.action_dim)),
        gripper_dims=(size.action_dim - 1,),
        control_hz=20.0,
    )


def model(size: Size) -> polymath_v.Config:
    return polymath_v.Config(
        vit=vit.Config(
            size.image_size, 14, size.vision_width, size.vision_depth, heads=size.vision_heads, mlp=size.vision_mlp
        ),
        resampler=resampler.Config(
            size.vision_width, latents=64, depth=2, heads=size.vision_heads, head_width=64, mlp=size.vision_mlp
        ),
        decoder=decoder.Config(
            size.vocabulary, size.width, 8, size.heads, size.kv_heads, size.width // size.heads, size.mlp
        ),
        action_head=action_head.Config(size.width, size.width, size.action_dim),
        state_dim=size.state_dim,
    )


def recipe(size: Size) -> Recipe:
    """The presets' layout with a window of the history and the newest step."""
    layout = Layout(
        length=1024,
        latents_per_image=64,
        image_size=size.image_size,
        max_images=size.history + 1,
        max_control_steps=size.history + 1,
        chunk_length=size.chunk,
        action_dim=size.action_dim,
        state_dim=size.state_dim,
        window=size.history + 1,
        stride=2,
    )
    return Recipe(
        name="benchmark",
        purpose="",
        model=model(size),
        layout=layout,
        control_tokens=512,
        alignment=TINY.alignment,
        robot=TINY.robot,
        execution=Execution(remat="none"),
    )


def field(width: int) -> FieldStatistics:
    low, zero, high = (-1.0,) * width, (0.0,) * width, (1.0,) * width
    return FieldStatistics(9, zero, high, low, high, low, low, zero, high, high)


def observation(size: Size, seed: int) -> Observation:
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (size.image_size, size.image_size, 3), dtype=np.uint8)
    return Observation({"front": picture}, rng.normal(size=size.state_dim).astype(np.float32), INSTRUCTION, "arm")


def executed(size: Size) -> np.ndarray:
    return np.zeros((recipe(size).layout.stride, size.action_dim), np.float32)


def chunk(size: Size, run: Run, params: polymath_v.Params) -> Callable[[], Any]:
    policy, seen = Policy(run, params, "benchmark"), [observation(size, 0)]
    return lambda: policy.act(seen)


def stream(size: Size, run: Run, params: polymath_v.Params) -> Callable[[], Any]:
    """Each measured answer is the one after the history, so the session goes back to it each time."""
    session = Policy(run, params, "benchmark").open()
    for i in range(size.history):
        session.act(observation(size, i), executed(size) if i else None)
    history, newest = session.history, observation(size, size.history)

    def step() -> Any:
        session.history = history
        return session.act(newest, executed(size))

    return step


def recompute(size: Size, run: Run, params: polymath_v.Params) -> Callable[[], Any]:
    forward = jax.jit(lambda p, b: polymath_v.forward(p, run.recipe.model, b, run.recipe.execution).actions[:, -1])
    seen = [observation(size, i) for i in range(size.history + 1)]

    def step() -> Any:
        prompt = run.transform.prompt(seen, [executed(size)] * size.history)
        layout = replace(run.recipe.layout, length=bucket(len(prompt.tokens), run.recipe.layout.length))
        return np.asarray(forward(params, collate([[prompt]], layout)))

    return step


def main(kind: str, name: str, steps: int) -> None:
    size = POLICIES[name]
    specs, tokenizer = polymath_v.specs(model(size)), train(corpus.shipped(), 2048, ControlTokens(512))
    statistics = Statistics(state=field(size.state_dim), action=field(size.action_dim))
    run = Run(Path("nowhere"), recipe(size), tokenizer, robot(size), statistics, DataRecord((), ()))
    params = weights.init(specs, jax.random.key(0))
    step = {"chunk": chunk, "stream": stream, "recompute": recompute}[kind](size, run, params)
    names = {"chunk": "Polymath-V", "stream": "Polymath-V, streaming", "recompute": "Polymath-V, history recomputed"}
    report(names[kind], weights.count(specs), measure(step, steps))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
