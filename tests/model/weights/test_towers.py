"""Public vision towers as their libraries write them: features recorded by `tests/oracles/towers.py`, and refusals."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from polymath.errors import CheckpointError, ConfigError, PolymathError
from polymath.model import vit
from polymath.model.weights import check_vit, load_vit, vit_config
from polymath.model.weights.positions import resample_plain

TOWERS = Path(__file__).parents[2] / "fixtures" / "towers"
NAMES = sorted(path.name for path in TOWERS.iterdir())


def stated(folder: Path) -> vit.Config:
    config = vit_config(folder)
    assert config is not None
    return config


def edited(out: Path, name: str, within: str | None = None, **changes: Any) -> Path:
    """A copy of a tower's folder with fields of its config.json changed, or left out (...)."""
    shutil.copytree(TOWERS / name, out, dirs_exist_ok=True)
    fields = json.loads((out / "config.json").read_text())
    inner = fields if within is None else fields[within]
    inner.update(changes)
    for field in [field for field, value in inner.items() if value is ...]:
        del inner[field]
    (out / "config.json").write_text(json.dumps(fields))
    return out


@pytest.mark.parametrize("name", NAMES)
def test_features(name: str) -> None:
    config, recorded = stated(TOWERS / name), np.load(TOWERS / name / "io.npz")
    params = load_vit(TOWERS / name, config)
    features = vit.forward(params, config, recorded["images"])
    error = np.linalg.norm(features - recorded["features"]) / np.linalg.norm(recorded["features"])
    assert features.shape == recorded["features"].shape
    assert error <= 1e-5


def test_what_the_folders_state() -> None:
    dinov3, giant = stated(TOWERS / "dinov3_gated"), stated(TOWERS / "vit_giant_patch14_dinov2")
    assert (dinov3.rotary, dinov3.gated, dinov3.activation, dinov3.layer_scale) == (100.0, True, "silu", True)
    assert (dinov3.image_size, dinov3.patches, dinov3.mean) == (24, 9, (0.5, 0.5, 0.5))
    assert (giant.gated, giant.epsilon, giant.registers) == (True, 1e-6, 0)
    assert stated(TOWERS / "vit_base_patch14_reg4_dinov2").registers == 4
    paligemma = stated(TOWERS / "paligemma")
    assert (paligemma.activation, paligemma.final_norm, paligemma.class_token) == ("gelu_tanh", True, False)


def test_torchs_bicubic_without_antialiasing() -> None:
    """torch 2.13: `interpolate(arange(4.).reshape(1, 1, 2, 2), size=(3, 3), mode="bicubic", align_corners=False)`; a
    constant stays constant.
    """
    table = np.arange(4.0, dtype=np.float32)[:, None]
    expected = [-0.2604168, 0.3263890, 0.9131944, 0.9131947, 1.5, 2.0868058, 2.0868058, 2.6736109, 3.2604170]
    np.testing.assert_allclose(resample_plain(table, False, 3)[:, 0], expected, atol=1e-6)
    np.testing.assert_allclose(resample_plain(np.ones((10, 3), np.float32), True, 5), 1.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "within", "changes", "complaint"),
    [
        ("dinov2", None, {"model_type": "vit"}, "model_type is 'vit', but only clip_vision"),
        (
            "dinov2",
            None,
            {"model_type": "dinov3_vit"},
            "model_type is 'dinov3_vit', but the weights beside",
        ),
        ("dinov2", None, {"qkv_bias": False}, r"qkv_bias is False, but .* holds tensors …\.query"),
        (
            "dinov3",
            None,
            {"key_bias": True},
            r"key_bias is True, but .* holds no tensor …attention\.k",
        ),
        ("dinov3", None, {"proj_bias": False}, "proj_bias is False, but only True can be computed here"),
        ("dinov3", None, {"pos_embed_scale": 2}, "pos_embed_scale is 2, but a field that is not known here"),
        (
            "paligemma",
            "vision_config",
            {"model_type": "siglip2_vision_model"},
            "model_type is 'siglip2",
        ),
        ("paligemma", None, {"vision_feature_layer": -2}, "vision_feature_layer is -2, but only None or -1"),
        ("vit_giant_patch14_dinov2", None, {"architecture": "vit_base_patch16_rope_224"}, "architecture is 'vit_base_"),
        ("vit_giant_patch14_dinov2", "model_args", {"qk_norm": True}, r"model_args\.qk_norm is True"),
        ("vit_giant_patch14_dinov2", "pretrained_cfg", {"mean": ...}, "has no field 'pretrained_cfg.mean'"),
    ],
)
def test_a_folder_that_ours_cannot_be(
    tmp_path: Path, name: str, within: str | None, changes: dict[str, Any], complaint: str
) -> None:
    folder = edited(tmp_path / name, name, within, **changes)
    with pytest.raises(PolymathError, match=complaint) as raised:
        vit_config(folder)
    assert str(raised.value).startswith(f"{folder / 'config.json'}: ")
    assert "\n" not in str(raised.value)


def test_weights_in_an_unknown_place_and_of_an_unknown_family(tmp_path: Path) -> None:
    folder = edited(tmp_path / "qwen", "dinov2", model_type="qwen2_5_vl", vision_config={"model_type": "qwen2_5_vl"})
    weights = {f"model.eyes.{name}": w for name, w in load_file(folder / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"config\.json: vision_config\.model_type is 'qwen2_5_vl', but only"):
        vit_config(folder)
    with pytest.raises(CheckpointError, match=r"in a known place; .* the file has model\.eyes\.embeddings\.patch"):
        vit_config(folder / "model.safetensors")


def test_two_towers_in_one_file(tmp_path: Path) -> None:
    weights = load_file(TOWERS / "dinov2" / "model.safetensors")
    save_file(weights | {f"vision_tower.{name}": w for name, w in weights.items()}, tmp_path / "two.safetensors")
    with pytest.raises(CheckpointError, match="holds 2 vision transformers"):
        load_vit(tmp_path / "two.safetensors", stated(TOWERS / "dinov2"))


def test_a_bias_that_one_layer_lacks(tmp_path: Path) -> None:
    """A bias that no layer has is zero; one that a layer lacks is missing."""
    folder = edited(tmp_path / "dinov3", "dinov3")
    weights = load_file(folder / "model.safetensors")
    del weights["layer.1.attention.q_proj.bias"]
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"'layer\.1\.attention\.q_proj\.bias': is missing"):
        check_vit(folder, stated(folder))
    assert not np.asarray(load_vit(TOWERS / "dinov3", stated(TOWERS / "dinov3")).blocks.qkv_bias[:, 1]).any()


def test_sizes_that_cannot_be() -> None:
    config = stated(TOWERS / "dinov3")
    with pytest.raises(ConfigError, match=r"vit\.rotary=100\.0: must be above 0, with heads of a width that 4 divides"):
        replace(config, width=12, heads=2)
    with pytest.raises(ConfigError, match=r"vit\.registers=-1"):
        replace(config, registers=-1)


def test_registers_and_gates_learn() -> None:
    """The gradient reaches every weight of a tower with all switches on."""
    config = stated(TOWERS / "dinov3_gated")
    params = load_vit(TOWERS / "dinov3_gated", config)
    images = np.random.default_rng(0).integers(0, 256, (1, 24, 24, 3), dtype=np.uint8)
    gradient = jax.grad(lambda p: (vit.forward(p, config, images) ** 2).sum() * 1.0)(params)
    assert all(np.asarray(leaf).any() for leaf in jax.tree.leaves(gradient))


def test_a_folder_that_was_not_fetched_whole(tmp_path: Path) -> None:
    """What `hf download` leaves of a download that broke, and what a browser saves of a gated model."""
    folder = edited(tmp_path / "dinov2", "dinov2")
    (folder / "config.json").write_text("<!doctype html><title>Access to model x/y is restricted</title>")
    with pytest.raises(ConfigError, match=r"config\.json: not valid JSON .* answer of a server .*hf auth login"):
        vit_config(folder)
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(CheckpointError, match="a Git LFS pointer instead of the file itself"):
        vit_config(folder)
    (folder / "model.safetensors").unlink()
    (folder / ".cache" / "huggingface" / "download").mkdir(parents=True)
    (folder / ".cache" / "huggingface" / "download" / "x.incomplete").touch()
    with pytest.raises(CheckpointError, match=r"holds no \.safetensors file, but 1 unfinished downloads; fetch"):
        vit_config(folder)
