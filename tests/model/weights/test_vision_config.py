"""The files beside published vision weights, checked against model.vit. Defaults are those of transformers 5.23
(`CLIPVisionConfig`, `SiglipVisionConfig`) and open_clip 3.3 (`CLIPVisionCfg`).
"""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polymath import config as configs
from polymath.errors import CheckpointError, ConfigError, PolymathError
from polymath.model import vit
from polymath.model.weights import load_vit

FIXTURES = Path(__file__).parents[2] / "fixtures" / "vision"


def settings_of(name: str) -> vit.Config:
    return configs.from_dict(vit.Config, json.loads((FIXTURES / f"{name}.json").read_text())["config"])


def folder_with(folder: Path, name: str, **changes: Any) -> Path:
    """A copy of a Hugging Face fixture with fields of its config.json changed, or left out (...)."""
    shutil.copytree(FIXTURES / name, folder, dirs_exist_ok=True)
    fields = json.loads((folder / "config.json").read_text())
    edited = {field: value for field, value in {**fields, **changes}.items() if value is not ...}
    (folder / "config.json").write_text(json.dumps(edited))
    return folder


def test_the_description_of_the_fixtures_is_theirs(tmp_path: Path) -> None:
    for name in ("hf_clip_gelu", "hf_clip_quick_gelu", "hf_siglip_remainder"):
        load_vit(FIXTURES / name, settings_of(name))
    whole = folder_with(tmp_path / "quick", "hf_clip_quick_gelu", hidden_act=..., layer_norm_eps=...)
    load_vit(whole, settings_of("hf_clip_quick_gelu"))  # CLIP's defaults


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("hidden_act", "quick_gelu", "set model.vit.activation=quick_gelu"),
        ("hidden_act", ..., "set model.vit.activation=quick_gelu"),
        ("hidden_act", "gelu_pytorch_tanh", "set model.vit.activation=gelu_tanh"),
        ("hidden_act", "relu", "hidden_act is 'relu'"),
        ("hidden_act", ["gelu"], r"hidden_act is \['gelu'\], but only gelu, .* are known"),
        ("hidden_act", {}, "hidden_act is {}"),
        ("layer_norm_eps", 10**400, "layer_norm_eps is 1000.*, but must be a positive number, "),
        ("num_attention_heads", 8, "set model.vit.heads=8"),
        ("num_attention_heads", ..., "set model.vit.heads=12"),
        ("num_attention_heads", None, "num_attention_heads is None"),
        ("layer_norm_eps", 1e-6, "set model.vit.epsilon=1e-06"),
        ("hidden_size", 48, "set model.vit.width=48"),
        ("intermediate_size", 160, "set model.vit.mlp=160"),
        ("num_hidden_layers", 3, "set model.vit.depth=3"),
        ("patch_size", 7, "set model.vit.patch=7"),
        ("image_size", 224, "image_size is 224, but the file has 5 position embeddings, not 257"),
        ("num_channels", 1, "num_channels is 1"),
        ("qkv_bias", False, "qkv_bias is False"),
        ("model_type", "siglip_vision_model", "model_type is 'siglip_vision_model'"),
        ("model_type", "dinov2", "model_type is 'dinov2'"),
        ("quantization_config", {"bits": 4}, "quantization_config is"),
        ("use_swiglu_ffn", False, "use_swiglu_ffn is False"),
    ],
)
def test_a_folder_that_says_otherwise(tmp_path: Path, field: str, value: Any, complaint: str) -> None:
    path = folder_with(tmp_path, "hf_clip_gelu", **{field: value})
    with pytest.raises(PolymathError, match=complaint) as raised:
        load_vit(path, settings_of("hf_clip_gelu"))
    assert "config.json: " in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_tower_of_a_whole_clip_model(tmp_path: Path) -> None:
    """CLIPConfig: `vision_config`, over which the older `vision_config_dict` goes."""
    path, config = folder_with(tmp_path, "hf_clip_gelu"), settings_of("hf_clip_gelu")
    tower = json.loads((path / "config.json").read_text())
    whole = {"model_type": "clip", "projection_dim": 24, "text_config": {}, "vision_config": tower}
    (path / "config.json").write_text(json.dumps(whole))
    load_vit(path, config)
    (path / "config.json").write_text(json.dumps({**whole, "vision_config_dict": {"hidden_act": "quick_gelu"}}))
    with pytest.raises(CheckpointError, match=r"hidden_act is 'quick_gelu', but model\.vit\.activation is 'gelu'"):
        load_vit(path, config)


def test_the_normalisation_of_the_pixels(tmp_path: Path) -> None:
    path, config = folder_with(tmp_path, "hf_clip_gelu"), settings_of("hf_clip_gelu")
    preprocessor = path / "preprocessor_config.json"
    preprocessor.write_text(json.dumps({"image_mean": list(config.mean), "image_std": list(config.std), "size": 28}))
    load_vit(path, config)
    for fields, complaint in (
        ({"image_mean": [0.5, 0.5, 0.5]}, r"image_mean is .*; set model\.vit\.mean=\(0\.5, 0\.5, 0\.5\)"),
        ({"do_normalize": False}, r"set model\.vit\.mean=\(0\.0, 0\.0, 0\.0\)"),
        ({"do_normalize": "false"}, "do_normalize is 'false'"),
        ({"do_rescale": False}, "do_rescale is False"),
        ({"rescale_factor": 0.5}, "rescale_factor is 0.5"),
        ({"rescale_factor": "1/255"}, "rescale_factor is '1/255', but pixels are divided by 255"),
        ({"rescale_factor": [0.5]}, r"rescale_factor is \[0\.5\]"),
        ({"rescale_factor": True}, "rescale_factor is True"),
        ({"image_mean": [True, True, True]}, "must be three numbers"),
        ({"image_mean": [10**400, 0, 0]}, "must be three numbers"),
        ({"image_std": [1, 2]}, "must be three numbers"),
    ):
        preprocessor.write_text(json.dumps(fields))
        with pytest.raises(PolymathError, match=complaint):
            load_vit(path, config)


def test_open_clip_and_timm_beside_their_weights(tmp_path: Path) -> None:
    config = settings_of("open_clip")
    shutil.copy(FIXTURES / "open_clip.safetensors", tmp_path / "open_clip_model.safetensors")
    tower = {"image_size": 28, "layers": 2, "width": 40, "head_width": 10, "mlp_ratio": 2.4, "patch_size": 14}
    beside = tmp_path / "open_clip_config.json"
    beside.write_text(json.dumps({"model_cfg": {"embed_dim": 24, "vision_cfg": tower, "text_cfg": {}}}))
    load_vit(tmp_path, config)
    load_vit(tmp_path / "open_clip_model.safetensors", config)
    beside.write_text(json.dumps({"model_cfg": {"vision_cfg": tower, "quick_gelu": True}}))
    with pytest.raises(CheckpointError, match=r"quick_gelu is True, but model\.vit\.activation is 'gelu'"):
        load_vit(tmp_path / "open_clip_model.safetensors", config)
    beside.write_text(json.dumps({"model_cfg": {"vision_cfg": {**tower, "head_width": 8}}}))
    with pytest.raises(CheckpointError, match=r"set model\.vit\.heads=5"):
        load_vit(tmp_path, config)
    for field, value in (("head_width", 64), ("mlp_ratio", 1e308)):
        beside.write_text(json.dumps({"model_cfg": {"vision_cfg": {**tower, field: value}}}))
        with pytest.raises(ConfigError, match=f"{field} is {re.escape(str(value))}"):
            load_vit(tmp_path, config)
    beside.write_text(json.dumps({"model_cfg": {"vision_cfg": {**tower, "attentional_pool": True}}}))
    with pytest.raises(ConfigError, match="attentional_pool is True"):
        load_vit(tmp_path, config)

    folder = tmp_path / "timm"
    folder.mkdir()
    shutil.copy(FIXTURES / "timm.safetensors", folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"architecture": "vit_base_patch14_clip_quickgelu_224"}))
    with pytest.raises(CheckpointError, match=r"set model\.vit\.activation=quick_gelu"):
        load_vit(folder, settings_of("timm"))


def test_pixels_beyond_the_last_whole_patch_change_nothing() -> None:
    """As torch's strided convolution; the features beside transformers' are in test_replay.py."""
    config = settings_of("hf_siglip_remainder")
    side = config.image_size // config.patch * config.patch
    assert side < config.image_size
    picture = np.random.default_rng(0).random((1, config.image_size, config.image_size, 3)).astype(np.float32)
    other = picture.copy()
    other[:, side:] = other[:, :, side:] = 7.0
    np.testing.assert_array_equal(vit.patchify(picture, config), vit.patchify(other, config))
    assert config.patches == (side // config.patch) ** 2


def test_sizes_that_cannot_be() -> None:
    config = settings_of("timm")
    with pytest.raises(ConfigError, match=r"vit\.heads=3: must divide"):
        replace(config, heads=3)
    with pytest.raises(ConfigError, match=r"vit\.image_size=13: is smaller than a patch"):
        replace(config, image_size=13)
