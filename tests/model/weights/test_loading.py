"""Streaming onto devices, other dtypes, and what a file that does not fit is told. The files are the fixtures."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from polymath import config as configs
from polymath.errors import CheckpointError, ConfigError
from polymath.model import resampler, vit
from polymath.model.weights import decoder_config, load_decoder, load_resampler, load_vit
from polymath.model.weights.positions import resample
from polymath.model.weights.rules import Rule, assemble
from polymath.model.weights.tensors import Tensors, open_tensors
from polymath.specs import Spec

FIXTURES = Path(__file__).parents[2] / "fixtures"
LLAMA = FIXTURES / "llama" / "plain"


def vision(name: str) -> tuple[Path, vit.Config]:
    settings = json.loads((FIXTURES / "vision" / f"{name}.json").read_text())
    return FIXTURES / "vision" / settings["weights"], configs.from_dict(vit.Config, settings["config"])


def changed(path: Path, out: Path, **edits: Any) -> Path:
    """The file with some tensors replaced, or removed (None)."""
    tensors = load_file(path)
    for name, value in edits.items():
        tensors.pop(name, None) if value is None else tensors.update({name: value})
    save_file(tensors, out)
    return out


def test_a_shard_is_read_layer_by_layer_and_cut_on_the_host() -> None:
    """Asked for one device's half of the rows, the reader holds one layer's tensor, never the stacked whole."""
    spec = {"w": Spec((3, 4, 2), ("layers", "mlp", "embed"), None)}  # type: ignore[arg-type]
    layers = {f"layer.{i}": np.arange(8.0).reshape(4, 2) + 100 * i for i in range(3)}
    reads: list[str] = []

    def read(name: str) -> np.ndarray:
        reads.append(name)
        return layers[name]

    tensors = Tensors(Path("toy"), {name: a.shape for name, a in layers.items()}, read)
    out = assemble(spec, {"w": Rule(("layer.{layer}",))}, tensors, jnp.bfloat16)["w"]
    assert out.dtype == jnp.bfloat16
    np.testing.assert_array_equal(out.astype(np.float32), np.stack(list(layers.values())))
    assert reads == list(layers)


def test_weights_in_bfloat16_are_the_rounded_ones() -> None:
    path, config = vision("timm")
    exact, rounded = load_vit(path, config), load_vit(path, config, jnp.bfloat16)
    for a, b in zip(jax.tree.leaves(exact), jax.tree.leaves(rounded), strict=True):
        np.testing.assert_array_equal(np.asarray(a.astype(jnp.bfloat16)), np.asarray(b))


def test_positions_of_the_same_size_are_left_alone_and_a_constant_stays_constant() -> None:
    table = np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32)
    assert resample(table, True, 3) is table
    np.testing.assert_allclose(resample(np.ones((10, 3), np.float32), True, 5), 1.0, rtol=1e-6)
    np.testing.assert_array_equal(resample(table, True, 5)[0], table[0])


def test_missing_extra_and_misshapen_weights(tmp_path: Path) -> None:
    path, config = vision("timm")
    look = r"it looks like timm with width 40, 2 layers and patch 14"
    missing = changed(path, tmp_path / "a.safetensors", **{"blocks.1.norm1.weight": None})
    with pytest.raises(CheckpointError, match=rf"'blocks.1.norm1.weight': is missing; {look}"):
        load_vit(missing, config)
    extra = changed(path, tmp_path / "b.safetensors", **{"blocks.1.ls1.gamma": np.ones(40, np.float32)})
    with pytest.raises(CheckpointError, match=rf"'blocks.1.ls1.gamma': has no place in this model; {look}"):
        load_vit(extra, config)
    other = replace(config, width=48)
    with pytest.raises(CheckpointError, match=rf"cannot become patch \[588, 48\]; {look}"):
        load_vit(path, other)
    with pytest.raises(CheckpointError, match=r"'blocks.2.attn.proj.bias' \(and 11 more\): is missing"):
        load_vit(path, replace(config, depth=3))
    with pytest.raises(CheckpointError, match=r"'norm_pre.bias' \(and 1 more\): has no place"):
        load_vit(path, replace(config, norm_before_blocks=False))


def test_a_file_of_no_known_layout_lists_the_known_ones() -> None:
    _, config = vision("timm")
    with pytest.raises(CheckpointError, match="known: a Hugging Face CLIPVisionModel"):
        load_vit(LLAMA, config)


def test_truncated_and_missing_shards(tmp_path: Path) -> None:
    path, config = vision("hf_clip_gelu")
    broken = tmp_path / "broken"
    shutil.copytree(path, broken)
    shard = sorted(broken.glob("*.safetensors"))[1]
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=rf"{shard.name}: not a whole safetensors file"):
        load_vit(broken, config)
    shard.unlink()
    with pytest.raises(CheckpointError, match=rf"{shard.name}: is named by model.safetensors.index.json but missing"):
        load_vit(broken, config)
    npz = tmp_path / "cut.npz"
    npz.write_bytes((FIXTURES / "vision" / "big_vision.npz").read_bytes()[:5000])
    with pytest.raises(CheckpointError, match=r"not a whole \.npz"):
        open_tensors(npz)
    with pytest.raises(CheckpointError, match="no such file"):
        open_tensors(tmp_path / "nothing.safetensors")


@pytest.mark.parametrize("text", ["{", "[]", '{"metadata": {}}'])
def test_a_damaged_index_is_named(tmp_path: Path, text: str) -> None:
    path, config = vision("hf_clip_gelu")
    shutil.copytree(path, tmp_path / "broken")
    (tmp_path / "broken" / "model.safetensors.index.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"index\.json: not an index of shards"):
        load_vit(tmp_path / "broken", config)


def test_a_file_in_bfloat16_is_read_as_the_rounded_weights(tmp_path: Path) -> None:
    path, config = vision("timm")
    rounded = {name: np.asarray(jnp.asarray(a, jnp.bfloat16)) for name, a in load_file(path).items()}
    save_file(rounded, tmp_path / "half.safetensors")
    ours = load_vit(tmp_path / "half.safetensors", config)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(load_vit(path, config, jnp.bfloat16)), strict=True):
        assert a.dtype == jnp.float32
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b, np.float32))


def test_a_decoder_and_a_resampler_with_a_weight_too_few_or_too_many(tmp_path: Path) -> None:
    config = decoder_config(LLAMA / "config.json")
    lacking = changed(LLAMA / "model.safetensors", tmp_path / "a.safetensors", **{"model.norm.weight": None})
    with pytest.raises(CheckpointError, match=r"'model.norm.weight': is missing; it has width 32 and 2 layers"):
        load_decoder(lacking, config)
    biased = {"model.layers.0.self_attn.q_proj.bias": np.zeros(32, np.float32)}
    with pytest.raises(CheckpointError, match=r"q_proj.bias': has no place in this model"):
        load_decoder(changed(LLAMA / "model.safetensors", tmp_path / "b.safetensors", **biased), config)
    with pytest.raises(CheckpointError, match=r"cannot become blocks.gate .*; it has width 32 and 2 layers"):
        load_decoder(LLAMA, replace(config, mlp=48))
    with pytest.raises(CheckpointError, match=r"no tensor 'model\.embed_tokens\.weight'"):
        load_decoder(FIXTURES / "vision" / "timm.safetensors", config)
    flamingo = FIXTURES / "flamingo" / "picture.safetensors"
    settings = configs.load(resampler.Config, FIXTURES / "flamingo" / "picture.json")
    with pytest.raises(CheckpointError, match=r"'norm.bias': is missing; set model.resampler"):
        load_resampler(changed(flamingo, tmp_path / "c.safetensors", **{"norm.bias": None}), settings)
    with pytest.raises(CheckpointError, match=r"latents \[4, 24\] cannot become latents \[9, 24\]"):
        load_resampler(flamingo, replace(settings, latents=9))


def test_another_vocabulary_is_named() -> None:
    config = decoder_config(LLAMA / "config.json")
    with pytest.raises(CheckpointError, match=r"96 entries, but decoder.vocabulary is 100"):
        load_decoder(LLAMA, replace(config, vocabulary=100))


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("model_type", "qwen2_moe", "model_type is 'qwen2_moe'"),
        ("attention_bias", True, "attention_bias is True"),
        ("sliding_window", 4096, "sliding_window is 4096"),
        ("rope_scaling", {"rope_type": "longrope"}, "'longrope' is not supported"),
    ],
)
def test_a_decoder_that_ours_cannot_be_is_refused(tmp_path: Path, field: str, value: Any, complaint: str) -> None:
    settings = json.loads((LLAMA / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**settings, field: value}))
    with pytest.raises(ConfigError, match=complaint):
        decoder_config(tmp_path / "config.json")


def test_the_older_way_to_write_rope_settings(tmp_path: Path) -> None:
    """Up to transformers 4: rope_theta at the top, rope_scaling beside it with `type`."""
    settings = json.loads((LLAMA / "config.json").read_text())
    del settings["rope_parameters"]
    old = {**settings, "rope_theta": 500_000.0, "rope_scaling": {"type": "linear", "factor": 2.0}}
    (tmp_path / "config.json").write_text(json.dumps(old))
    config = decoder_config(tmp_path / "config.json")
    assert config.rope_theta == 500_000.0
    assert config.rope_scaling is not None
    assert (config.rope_scaling.kind, config.rope_scaling.factor) == ("linear", 2.0)
