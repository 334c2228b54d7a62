"""Adapters: nothing changes at the start, separate = merged, and only they learn when the rest is frozen."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from polymath import specs as weights
from polymath.data.sequences.packing import collate
from polymath.data.sequences.sequence import pair
from polymath.errors import ConfigError
from polymath.model import lora, polymath_v
from polymath.model.execution import Execution
from polymath.presets.demo import TINY
from polymath.tokenizer import ControlTokens
from polymath.training import losses, optimizer
from polymath.training.step import init_state, make_step

PLAIN = replace(TINY.model, decoder=replace(TINY.model.decoder, depth=2), vit=replace(TINY.model.vit, depth=1))
EVERYWHERE = r"decoder\.blocks\.(query|key_value|out|gate|up|down)|vit\.blocks\.(qkv|out|up|down)|projection|state"
ADAPTED = replace(PLAIN, adapters=lora.Config(EVERYWHERE, rank=3, alpha=6.0))
ONLY_ADAPTERS = ((r".*\.lora_(down|up)", 1.0), (r"(?!.*\.lora_).*", 0.0))
LAYOUT = replace(TINY.layout, length=48)
IMAGE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
BATCH = collate([[pair(LAYOUT, ControlTokens(512), IMAGE, list(range(600, 620)))]], LAYOUT)


@pytest.fixture(scope="module")
def base() -> polymath_v.Params:
    return jax.jit(lambda key: weights.init(polymath_v.specs(PLAIN), key))(jax.random.key(0))


def hidden(params: polymath_v.Params, model: polymath_v.Config) -> np.ndarray:
    forward = jax.jit(lambda p, b: polymath_v.forward(p, model, b, Execution(remat="none")).hidden)
    return np.asarray(forward(params, BATCH))


def test_fresh_adapters_change_nothing_and_trained_ones_merge(base: polymath_v.Params) -> None:
    specs = polymath_v.specs(ADAPTED)
    fresh = jax.jit(lambda p: lora.attach(p, specs, jax.random.key(1)))(base)
    np.testing.assert_allclose(hidden(fresh, ADAPTED), hidden(base, PLAIN), atol=1e-5)
    rng = np.random.default_rng(2)
    moved = jax.tree_util.tree_map_with_path(
        lambda path, w: (
            w + 0.1 * rng.normal(size=w.shape).astype(np.float32) if weights.name_of(path).endswith("lora_up") else w
        ),
        fresh,
    )
    separate, merged = hidden(moved, ADAPTED), hidden(jax.jit(lora.merge)(moved), PLAIN)
    assert np.abs(separate - hidden(base, PLAIN)).max() > 0.1
    np.testing.assert_allclose(separate, merged, atol=2e-4)


def test_merged_weight_is_the_formula(base: polymath_v.Params) -> None:
    """Hu et al. 2021, section 4.1: W + alpha / r * B A, layer by layer."""
    up, down = np.ones((2, 4, 3), np.float32), np.full((2, 3, 5), 0.5, np.float32)
    adapted = lora.Adapted(jnp.zeros((2, 4, 5)), jnp.asarray(down), jnp.asarray(up), 6.0 / 3)
    np.testing.assert_allclose(lora.merge({"w": adapted})["w"], np.full((2, 4, 5), 2.0 * 3 * 0.5))


def test_count_and_names() -> None:
    """Rank r on a matrix [rows, D] adds r (rows + D) weights."""
    model = replace(PLAIN, adapters=lora.Config(r"decoder\.blocks\.gate", rank=3))
    extra = weights.count(polymath_v.specs(model)) - weights.count(polymath_v.specs(PLAIN))
    assert extra == 2 * 3 * (PLAIN.decoder.mlp + PLAIN.decoder.width)
    names = {name for name, _ in weights.named(polymath_v.specs(model)) if "lora" in name}
    assert names == {"decoder.blocks.gate.lora_down", "decoder.blocks.gate.lora_up"}


def test_only_adapters_learn(base: polymath_v.Params) -> None:
    config = optimizer.Config(peak_learning_rate=1e-2, warmup_steps=0, groups=ONLY_ADAPTERS)
    params = jax.jit(lambda p: lora.attach(p, polymath_v.specs(ADAPTED), jax.random.key(1)))(base)
    state = init_state(ADAPTED, config, params)
    assert sum(w.size for w in state.trainable.values()) < 0.1 * sum(w.size for w in state.frozen.values())
    step = make_step(ADAPTED, config, losses.Config(), Execution(remat="none"), 10)
    found = []
    for _ in range(4):
        state, metrics = step(state, jax.device_put(BATCH))
        found.append(float(metrics["cross_entropy"]))
    assert found[-1] < found[0] - 0.01


@pytest.mark.parametrize(
    ("targets", "complaint"),
    [
        (r"decoder\.nothing", "matches no weight"),
        (r"decoder\.norm", "decoder.norm, which is no matrix"),
        (r".*embedding", "decoder.embedding, which is no matrix to project with"),
    ],
)
def test_targets_that_make_no_sense(targets: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        polymath_v.specs(replace(PLAIN, adapters=lora.Config(targets)))


def test_settings_that_are_none() -> None:
    with pytest.raises(ConfigError, match=r"adapters\.rank: 0; it must be 1 or more"):
        lora.Config("decoder.*", rank=0)
    with pytest.raises(ConfigError, match=r"adapters\.targets: '\(' is no regular expression"):
        lora.Config("(")
