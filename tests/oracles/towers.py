"""Public vision towers, loaded from folders as their libraries write them, against those libraries' own features.

    python tests/oracles/towers.py           every tower at toy size: sizes from the folder, features within 1e-5
    python tests/oracles/towers.py --record  the same, kept under tests/fixtures/towers for the tests without torch
    python tests/oracles/towers.py --names   all of timm: read as timm builds them, or refused by name

The features are transformers' `last_hidden_state` (patches alone), timm's `forward_features`.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import jax
import numpy as np
import timm
import torch
import transformers
from common import CLIP_MEAN, CLIP_STD, FIXTURES, check, images, pixels, randomise
from timm.models._hub import save_for_hf

from polymath.errors import PolymathError
from polymath.model import vit
from polymath.model.weights import load_vit, vit_config
from polymath.model.weights.fields import Fields
from polymath.model.weights.timm_config import architecture_statements

HALF, IMAGENET_MEAN, IMAGENET_STD = (0.5, 0.5, 0.5), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 21, "patch_size": 7}
MLP = {"intermediate_size": 24}
RECORDED = (
    *("dinov2", "dinov2_swiglu", "dinov2_registers", "dinov3", "dinov3_gated", "paligemma"),
    *("vit_base_patch16_siglip_224", "vit_base_patch14_reg4_dinov2", "vit_giant_patch14_dinov2"),
    *("vit_base_patch16_dinov3_qkvb", "vit_huge_plus_patch16_dinov3"),
)


@dataclass(frozen=True)
class Case:
    """A folder, the library's features of pictures of any size, and the side of the pictures."""

    name: str
    folder: Path
    features: Callable[[np.ndarray], np.ndarray]
    sizes: tuple[int, ...]


def of_transformers() -> Iterator[tuple[str, Any, Any, tuple, tuple]]:
    """Name, model class, settings, mean, standard deviation. 24 pixels are no multiple of the patch."""
    t = transformers
    yield "clip", t.CLIPVisionModel, t.CLIPVisionConfig(**SIZES, **MLP), CLIP_MEAN, CLIP_STD
    odd = {**SIZES, "image_size": 24}
    yield "siglip", t.SiglipVisionModel, t.SiglipVisionConfig(**odd, **MLP), HALF, HALF
    yield "dinov2", t.Dinov2Model, t.Dinov2Config(**SIZES), IMAGENET_MEAN, IMAGENET_STD
    swiglu = t.Dinov2Config(**SIZES, use_swiglu_ffn=True, qkv_bias=False)
    yield "dinov2_swiglu", t.Dinov2Model, swiglu, IMAGENET_MEAN, IMAGENET_STD
    registers = t.Dinov2WithRegistersConfig(**SIZES, num_register_tokens=3)
    yield "dinov2_registers", t.Dinov2WithRegistersModel, registers, IMAGENET_MEAN, IMAGENET_STD
    plain = t.DINOv3ViTConfig(**SIZES, **MLP, num_register_tokens=4)
    yield "dinov3", t.DINOv3ViTModel, plain, IMAGENET_MEAN, IMAGENET_STD
    gated = {"use_gated_mlp": True, "hidden_act": "silu", "query_bias": False, "value_bias": False}
    gated_settings = t.DINOv3ViTConfig(**odd, **MLP, **gated)
    yield "dinov3_gated", t.DINOv3ViTModel, gated_settings, HALF, HALF


def whole_models() -> Iterator[tuple[str, Any, Any, Callable[[Any], Any]]]:
    """Models around a SigLIP or CLIP: name, class, settings, and how their tower is reached."""
    t = transformers
    tower = t.SiglipVisionConfig(**SIZES, **MLP, vision_use_head=False)
    text = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    text |= {"vocab_size": 64, "num_key_value_heads": 1, "head_dim": 16}
    paligemma = t.PaliGemmaConfig(vision_config=tower, text_config={"model_type": "gemma", **text}, projection_dim=32)
    yield "paligemma", t.PaliGemmaForConditionalGeneration, paligemma, lambda model: model.model.vision_tower
    gemma = t.Gemma3Config(
        vision_config=tower, text_config={"model_type": "gemma3_text", **text}, mm_tokens_per_image=1
    )
    yield "gemma3", t.Gemma3ForConditionalGeneration, gemma, lambda model: model.model.vision_tower
    small = {name: value for name, value in text.items() if name not in ("num_key_value_heads", "head_dim")}
    siglip = t.SiglipConfig(vision_config=tower, text_config=small)
    yield "whole_siglip", t.SiglipModel, siglip, lambda model: model.vision_model
    clip = t.CLIPConfig(vision_config=t.CLIPVisionConfig(**SIZES, **MLP), text_config=small)
    yield "whole_clip", t.CLIPModel, clip, lambda model: model.vision_model


def transformers_cases(folder: Path) -> Iterator[Case]:
    for name, make, settings, mean, std in of_transformers():
        model = randomise(make(settings))
        yield saved(name, model, model, folder, mean, std)
    for name, make, settings, tower in whole_models():
        model = randomise(make(settings))
        mean, std = (CLIP_MEAN, CLIP_STD) if "clip" in name else (HALF, HALF)
        yield saved(name, model, tower(model), folder, mean, std)


def saved(name: str, model: Any, tower: Any, folder: Path, mean: tuple, std: tuple) -> Case:
    model.save_pretrained(folder / name)
    stated = {"image_mean": mean, "image_std": std, "do_normalize": True, "do_rescale": True, "rescale_factor": 1 / 255}
    (folder / name / "preprocessor_config.json").write_text(json.dumps(stated))
    settings = tower.config
    resizes = isinstance(tower, transformers.CLIPVisionModel | transformers.SiglipVisionModel)
    before = 1 + getattr(settings, "num_register_tokens", 0) if "siglip" not in settings.model_type else 0

    def features(seen: np.ndarray) -> np.ndarray:
        options = {"interpolate_pos_encoding": True} if resizes and seen.shape[1] != settings.image_size else {}
        with torch.no_grad():
            return tower(pixel_values=pixels(seen, mean, std), **options).last_hidden_state[:, before:].numpy()

    return Case(name, folder / name, features, (settings.image_size, 42, 14))


def timm_cases(folder: Path) -> Iterator[Case]:
    sizes = {"embed_dim": 16, "depth": 2, "num_heads": 2, "patch_size": 7}
    for name, changes in (
        ("vit_base_patch16_siglip_224", {"img_size": 21}),
        ("vit_base_patch16_siglip_gap_224", {"img_size": 24}),
        ("vit_base_patch16_clip_224", {"img_size": 21}),
        ("vit_base_patch16_clip_quickgelu_224", {"img_size": 21}),
        ("vit_base_patch14_dinov2", {"img_size": 21}),
        ("vit_base_patch14_reg4_dinov2", {"img_size": 21}),
        ("vit_giant_patch14_dinov2", {"img_size": 21, "mlp_ratio": 4.0}),
        ("vit_base_patch16_dinov3", {"img_size": 21}),
        ("vit_base_patch16_dinov3_qkvb", {"img_size": 21}),
        ("vit_huge_plus_patch16_dinov3", {"img_size": 21}),
    ):
        model = randomise(timm.create_model(name, num_classes=0, **sizes, **changes))
        save_for_hf(model, folder / name, safe_serialization=True)
        yield timm_case(name, model, folder / name)


def timm_case(name: str, model: Any, folder: Path) -> Case:
    mean, std = model.pretrained_cfg["mean"], model.pretrained_cfg["std"]

    def features(seen: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            tokens = model.eval().forward_features(pixels(seen, mean, std))
        return tokens[:, model.num_prefix_tokens :].numpy()

    return Case(name, folder, features, (model.patch_embed.img_size[0],))


def compare(case: Case) -> None:
    stated = vit_config(case.folder)
    assert stated is not None
    for size in case.sizes:
        config = replace(stated, image_size=size)
        params, seen = load_vit(case.folder, config), images(2, size)
        ours = jax.jit(lambda x, p=params, c=config: vit.forward(p, c, x))(seen)
        check(f"{case.name}, {size} pixels", ours, case.features(seen), tolerance=1e-5)


def names() -> None:
    """Each vision transformer of timm on the meta device: what its name and shapes state is what timm built."""
    read = refused = 0
    for name in timm.list_models():
        if timm.models.model_entrypoint(name).__module__ not in MODULES:
            continue
        with torch.device("meta"):
            model = timm.create_model(name, num_classes=0)
        shapes = {tensor: tuple(value.shape) for tensor, value in model.state_dict().items()}
        fields = Fields(Path("config.json"), {"architecture": name})
        try:
            stated = {k: s.value for k, s in architecture_statements(fields, "architecture", shapes, None).items()}
        except PolymathError:
            refused += 1
            continue
        read += 1
        wrong = {k: (stated.get(k), v) for k, v in built(model).items() if stated.get(k) != v}
        if wrong:
            sys.exit(f"{name}: stated and built differ: {wrong}")
    print(f"timm: {read} vision transformers read as timm builds them, {refused} refused by name")


MODULES = ("timm.models.vision_transformer", "timm.models.eva")


def built(model: Any) -> dict[str, Any]:
    block = model.blocks[0]
    act = type(block.mlp.act).__name__
    norm = block.norm1
    return {
        "heads": block.attn.num_heads,
        "epsilon": norm.eps,
        "activation": {"GELUTanh": "gelu_tanh", "QuickGELU": "quick_gelu", "SiLU": "silu", "GELU": "gelu"}[act],
        "depth": len(model.blocks),
        "width": model.embed_dim,
        "registers": model.num_prefix_tokens - (model.cls_token is not None),
        "final_norm": not isinstance(model.norm, torch.nn.Identity),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--names", action="store_true")
    parser.add_argument("--only", nargs="*", help="names of towers")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.names:
        names()
        return
    with tempfile.TemporaryDirectory() as temporary:
        for case in chain(transformers_cases(Path(temporary)), timm_cases(Path(temporary))):
            if options.only and case.name not in options.only:
                continue
            compare(case)
            if options.record and case.name in RECORDED:
                seen = images(1, case.sizes[0])
                kept = shutil.copytree(case.folder, FIXTURES / "towers" / case.name, dirs_exist_ok=True)
                np.savez_compressed(kept / "io.npz", images=seen, features=case.features(seen))


if __name__ == "__main__":
    main()
