"""One answer of our policy, random weights. `polymath_policy.py chunk|stream|recompute STEPS`.

chunk      one observation without history
stream     one observation after a history of 8, which is in the key-value cache
recompute  the same, with the history computed again
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from sizes import INSTRUCTION, POLICY
from timing import measure, report

from polymath.data.sequence import Layout
from polymath.data.statistics import FieldStatistics, Statistics
from polymath.model import action_head, decoder, polymath_v, resampler, vit
from polymath.model import specs as weights
from polymath.model.execution import Execution
from polymath.policy import Policy, StreamingPolicy
from polymath.presets.demo import TINY
from polymath.tokenizer import ControlTokens, Tokenizer, corpus, train
from polymath.training.recipe import Recipe
from polymath.training.run import DataRecord, Run
from polymath.types import Embodiment, Observation

ROBOT = Embodiment(
    name="arm",
    slot=0,
    cameras=("front",),
    state_names=tuple(f"joint {i}" for i in range(POLICY.state_dim)),
    action_names=tuple(f"joint {i}" for i in range(POLICY.action_dim)),
    gripper_dims=(POLICY.action_dim - 1,),
    control_hz=20.0,
)
MODEL = polymath_v.Config(
    vit=vit.Config(
        POLICY.image_size, 14, POLICY.vision_width, depth=8, heads=POLICY.vision_heads, mlp=POLICY.vision_mlp
    ),
    resampler=resampler.Config(
        POLICY.vision_width, latents=64, depth=2, heads=POLICY.vision_heads, head_width=64, mlp=POLICY.vision_mlp
    ),
    decoder=decoder.Config(
        POLICY.vocabulary, POLICY.width, 8, POLICY.heads, POLICY.kv_heads, POLICY.width // POLICY.heads, POLICY.mlp
    ),
    action_head=action_head.Config(POLICY.width, POLICY.width, POLICY.action_dim),
    state_dim=POLICY.state_dim,
)


def recipe() -> Recipe:
    """The presets' layout with a window of the history and the newest step."""
    layout = Layout(
        length=1024,
        latents_per_image=64,
        image_size=POLICY.image_size,
        max_images=POLICY.history + 1,
        max_control_steps=POLICY.history + 1,
        chunk_length=POLICY.chunk,
        action_dim=POLICY.action_dim,
        state_dim=POLICY.state_dim,
        window=POLICY.history + 1,
        stride=2,
    )
    return Recipe(
        name="benchmark",
        purpose="",
        model=MODEL,
        layout=layout,
        control_tokens=512,
        alignment=TINY.alignment,
        robot=TINY.robot,
        execution=Execution(remat="none"),
    )


def field(width: int) -> FieldStatistics:
    low, zero, high = (-1.0,) * width, (0.0,) * width, (1.0,) * width
    return FieldStatistics(9, zero, high, low, high, low, low, zero, high, high)


def observation(seed: int) -> Observation:
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (POLICY.image_size, POLICY.image_size, 3), dtype=np.uint8)
    return Observation({"front": picture}, rng.normal(size=POLICY.state_dim).astype(np.float32), INSTRUCTION, "arm")


def chunk(run: Run, params: polymath_v.Params) -> Callable[[], Any]:
    policy, seen = Policy(run, params, "benchmark"), [observation(0)]
    return lambda: policy.act(seen)


def stream(run: Run, params: polymath_v.Params) -> Callable[[], Any]:
    """Each measured answer is the one after the history, so the stream goes back to it each time."""
    policy = StreamingPolicy(run, params, "benchmark")
    executed = np.zeros((run.recipe.layout.stride, POLICY.action_dim), np.float32)
    flow = policy.start()
    for i in range(POLICY.history):
        flow.act(observation(i), executed if i else None)
    history, newest = flow._history, observation(POLICY.history)

    def step() -> Any:
        flow._history = history._replace(cache=jax.tree.map(lambda x: x.copy(), history.cache))  # `act` donates it
        return flow.act(newest, executed)

    return step


def recompute(run: Run, params: polymath_v.Params) -> Callable[[], Any]:
    policy = StreamingPolicy(run, params, "benchmark")
    executed = [np.zeros((run.recipe.layout.stride, POLICY.action_dim), np.float32)] * POLICY.history
    seen = [observation(i) for i in range(POLICY.history + 1)]
    flow = policy.start()
    return lambda: flow._append(run.transform.prompt(seen, executed), flow._nothing())[0]


def main(kind: str, steps: int) -> None:
    tokenizer: Tokenizer = train(corpus.shipped(), 2048, ControlTokens(512))
    statistics = Statistics(state=field(POLICY.state_dim), action=field(POLICY.action_dim))
    run = Run(Path("nowhere"), recipe(), tokenizer, ROBOT, statistics, DataRecord((), ()))
    params = jax.jit(lambda key: weights.init(polymath_v.specs(MODEL), key))(jax.random.key(0))
    step = {"chunk": chunk, "stream": stream, "recompute": recompute}[kind](run, params)
    names = {"chunk": "Polymath-V", "stream": "Polymath-V, streaming", "recompute": "Polymath-V, history recomputed"}
    report(names[kind], weights.count(polymath_v.specs(MODEL)), measure(step, steps))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
