"""Our ViT on published layouts against the libraries that own them: transformers, open_clip, timm.

    python tests/oracles/vision.py              two layers at the true width of ViT-G/14, in all four layouts
    python tests/oracles/vision.py --record     the same at toy size, into tests/fixtures/vision
    python tests/oracles/vision.py --write DIR  all 48 layers in HF's layout with random bfloat16 weights, 3.7 GB
    python tests/oracles/vision.py --full DIR   those loaded and compared, and how much memory the loading takes

big_vision itself needs TensorFlow; its .npz is read by timm, which has its own reader of that layout.
"""

import argparse
import functools
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import open_clip
import timm.models.vision_transformer as timm_vit
import torch
import transformers
from common import CLIP_MEAN, CLIP_STD, FIXTURES, check, images, pixels, randomise
from peak import Peak
from safetensors.torch import save_file

from polymath.model import vit
from polymath.model.weights import load_vit

TRUE = vit.Config(image_size=224, patch=14, width=1664, depth=2, heads=16, mlp=8192)
TOY = vit.Config(image_size=28, patch=14, width=40, depth=2, heads=4, mlp=96)


@dataclass(frozen=True)
class Case:
    """Weights on disk, the configuration that reads them, and the library's features of some images."""

    name: str
    path: Path
    config: vit.Config
    images: np.ndarray
    features: np.ndarray


def hf_model(config: vit.Config) -> transformers.CLIPVisionModel:
    settings = transformers.CLIPVisionConfig(
        hidden_size=config.width,
        intermediate_size=config.mlp,
        num_hidden_layers=config.depth,
        num_attention_heads=config.heads,
        image_size=config.image_size,
        patch_size=config.patch,
        hidden_act=config.activation,
        layer_norm_eps=config.epsilon,
        projection_dim=24,
    )
    return randomise(transformers.CLIPVisionModel(settings))


def hf_cases(config: vit.Config, folder: Path) -> Iterator[Case]:
    """HF's last hidden state is taken before its final norm."""
    seen = images(2, config.image_size)
    for activation in ("gelu", "quick_gelu"):
        ours = replace(config, activation=activation, final_norm=False)
        model = hf_model(ours)
        path = folder / f"hf_clip_{activation}"
        model.save_pretrained(path, max_shard_size="200MB" if config.width > 1000 else "60KB")
        with torch.no_grad():
            hidden = model(pixels(seen, CLIP_MEAN, CLIP_STD)).last_hidden_state
        yield Case(path.name, path, ours, seen, hidden[:, 1:].numpy())


def siglip_case(config: vit.Config, folder: Path) -> Case:
    """A picture that is no multiple of the patch, as SigLIP So400m/14 at 384: the convolution drops what is left."""
    ours = replace(siglip(config), image_size=config.image_size + config.patch // 2)
    settings = transformers.SiglipVisionConfig(
        hidden_size=ours.width,
        intermediate_size=ours.mlp,
        num_hidden_layers=ours.depth,
        num_attention_heads=ours.heads,
        image_size=ours.image_size,
        patch_size=ours.patch,
    )
    model = randomise(transformers.SiglipVisionModel(settings))
    path = folder / "hf_siglip_remainder"
    model.save_pretrained(path)
    seen = images(2, ours.image_size, seed=6)
    with torch.no_grad():
        features = model(pixels(seen, ours.mean, ours.std)).last_hidden_state.numpy()
    return Case(path.name, path, ours, seen, features)


def open_clip_case(config: vit.Config, folder: Path) -> Case:
    """open_clip 3 norms all tokens (`final_ln_after_pool=False`) before it takes the class token out."""
    seen = images(2, config.image_size, seed=1)
    tower = open_clip.transformer.VisionTransformer(
        image_size=config.image_size,
        patch_size=config.patch,
        width=config.width,
        layers=config.depth,
        heads=config.heads,
        mlp_ratio=config.mlp / config.width,
        output_dim=24,
        output_tokens=True,
    )
    randomise(tower)
    path = folder / "open_clip.safetensors"
    save_file({f"visual.{name}": w.contiguous() for name, w in tower.state_dict().items()}, path)
    with torch.no_grad():
        _, tokens = tower(pixels(seen, CLIP_MEAN, CLIP_STD))
    return Case("open_clip", path, config, seen, tokens.numpy())


def timm_model(config: vit.Config, size: int) -> timm_vit.VisionTransformer:
    return timm_vit.VisionTransformer(
        img_size=size,
        patch_size=config.patch,
        embed_dim=config.width,
        depth=config.depth,
        num_heads=config.heads,
        mlp_ratio=config.mlp / config.width,
        num_classes=0,
        global_pool="token" if config.class_token else "avg",
        class_token=config.class_token,
        pre_norm=config.norm_before_blocks,
        fc_norm=False,
        norm_layer=functools.partial(torch.nn.LayerNorm, eps=config.epsilon),
        act_layer=config.activation,
    )


def timm_cases(config: vit.Config, folder: Path) -> Iterator[Case]:
    """The second case asks for half as many patches again a side: interpolated position embeddings."""
    model = randomise(timm_model(config, config.image_size))
    path = folder / "timm.safetensors"
    save_file({name: w.contiguous() for name, w in model.state_dict().items()}, path)
    for name, side in (
        ("timm", config.image_size // config.patch),
        ("timm_larger", config.image_size // config.patch * 3 // 2),
    ):
        ours = replace(config, image_size=side * config.patch)
        other = timm_model(config, ours.image_size)
        state = timm_vit.checkpoint_filter_fn(dict(model.state_dict()), other, interpolation="bicubic", antialias=True)
        other.load_state_dict(state)
        seen = images(2, ours.image_size, seed=2)
        with torch.no_grad():
            tokens = other.eval().forward_features(pixels(seen, CLIP_MEAN, CLIP_STD))
        yield Case(name, path, ours, seen, tokens[:, 1:].numpy())


def siglip(config: vit.Config) -> vit.Config:
    """SigLIP's flavour: no class token, no norm before the blocks, tanh GELU, epsilon 1e-6, pixels in [-1, 1]."""
    return replace(
        config,
        class_token=False,
        norm_before_blocks=False,
        activation="gelu_tanh",
        epsilon=1e-6,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
    )


def big_vision_cases(config: vit.Config, folder: Path) -> Iterator[Case]:
    ours = siglip(config)
    seen = images(2, ours.image_size, seed=3)
    arrays = big_vision_arrays(ours)
    for name, stored in (("big_vision", arrays), ("big_vision_stacked", stacked(arrays, ours.depth))):
        path = folder / f"{name}.npz"
        np.savez(path, **stored)
        model = timm_model(ours, ours.image_size).eval()
        timm_vit._load_weights(model, str(path))
        with torch.no_grad():
            features = model.forward_features(pixels(seen, ours.mean, ours.std))
        yield Case(name, path, ours, seen, features.numpy())


def big_vision_arrays(config: vit.Config) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    D, H, F, p = config.width, config.heads, config.mlp, config.patch

    def normal(*shape: int, fan: float) -> np.ndarray:
        return (rng.normal(size=shape) * fan**-0.5).astype(np.float32)

    def norm(name: str) -> dict[str, np.ndarray]:
        return {f"{name}/scale": 1 + normal(D, fan=100), f"{name}/bias": normal(D, fan=100)}

    arrays = {
        "embedding/kernel": normal(p, p, 3, D, fan=3 * p * p),
        "embedding/bias": normal(D, fan=100),
        "pos_embedding": normal(1, config.patches, D, fan=D),
        **norm("Transformer/encoder_norm"),
    }
    for i in range(config.depth):
        block = f"Transformer/encoderblock_{i}"
        attention = f"{block}/MultiHeadDotProductAttention_0"
        arrays |= {**norm(f"{block}/LayerNorm_0"), **norm(f"{block}/LayerNorm_1")}
        for x in ("query", "key", "value"):
            arrays[f"{attention}/{x}/kernel"] = normal(D, H, D // H, fan=D)
            arrays[f"{attention}/{x}/bias"] = normal(H, D // H, fan=100)
        arrays[f"{attention}/out/kernel"] = normal(H, D // H, D, fan=D)
        arrays[f"{attention}/out/bias"] = normal(D, fan=100)
        arrays[f"{block}/MlpBlock_0/Dense_0/kernel"] = normal(D, F, fan=D)
        arrays[f"{block}/MlpBlock_0/Dense_0/bias"] = normal(F, fan=100)
        arrays[f"{block}/MlpBlock_0/Dense_1/kernel"] = normal(F, D, fan=F)
        arrays[f"{block}/MlpBlock_0/Dense_1/bias"] = normal(D, fan=100)
    return {f"params/img/{name}": array for name, array in arrays.items()}


def stacked(arrays: dict[str, np.ndarray], depth: int) -> dict[str, np.ndarray]:
    """As a scanned big_vision model stores it."""
    single = {name: a for name, a in arrays.items() if "encoderblock_" not in name}
    names = {name.replace("encoderblock_0", "encoderblock_{}") for name in arrays if "encoderblock_0" in name}
    blocks = {n.replace("_{}", ""): np.stack([arrays[n.format(i)] for i in range(depth)]) for n in names}
    return {**single, **blocks}


def cases(config: vit.Config, folder: Path) -> Iterator[Case]:
    yield from hf_cases(config, folder)
    yield siglip_case(config, folder)
    yield open_clip_case(config, folder)
    yield from timm_cases(config, folder)
    yield from big_vision_cases(config, folder)


def features(config: vit.Config, params: vit.Params) -> Callable[[np.ndarray], jax.Array]:
    return jax.jit(lambda seen: vit.forward(params, config, seen))


def record(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for case in cases(TOY, folder):
        check(case.name, features(case.config, load_vit(case.path, case.config))(case.images), case.features)
        np.savez_compressed(folder / f"{case.name}.io.npz", images=case.images, features=case.features)
        settings = {"weights": case.path.name, "config": asdict(case.config)}
        (folder / f"{case.name}.json").write_text(json.dumps(settings, indent=1) + "\n")


FULL = replace(TRUE, depth=48, final_norm=False)


def write(folder: Path) -> None:
    """Several shards; the directory is complete when it has its config.json."""
    if not (folder / "config.json").exists():
        torch.set_default_dtype(torch.bfloat16)
        hf_model(FULL).save_pretrained(folder, max_shard_size="1GB")


def full(folder: Path) -> None:
    """Both sides compute in float32. The peak is of anonymous memory: pages of the files belong to the kernel."""
    seen = images(1, FULL.image_size)
    jax.block_until_ready(jnp.zeros(1))
    with Peak() as memory:
        params = load_vit(folder, FULL, jnp.bfloat16)
    size = sum(w.nbytes for w in jax.tree.leaves(params))
    largest = max(w.nbytes for w in jax.tree.leaves(params))
    print(
        f"{size / 1e9:.2f} GB of weights, the largest {largest / 1e9:.2f} GB; loading took {memory.grown / 1e9:.2f} GB "
        f"and {memory.seconds:.1f} s",
        flush=True,
    )
    if memory.grown > size + largest:
        sys.exit("loading held more than the weights and one shard")
    ours = np.asarray(jax.jit(lambda p, x: vit.forward(p, FULL, x))(params, seen))
    del params
    model = transformers.CLIPVisionModel.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        theirs = model(pixels(seen, CLIP_MEAN, CLIP_STD)).last_hidden_state[:, 1:].numpy()
    check("ViT-G/14, 48 layers", ours, theirs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--full", type=Path)
    arguments = parser.parse_args()
    if arguments.record:
        record(FIXTURES / "vision")
    elif arguments.write:
        write(arguments.write)
    elif arguments.full:
        full(arguments.full)
    else:
        with tempfile.TemporaryDirectory() as folder:
            for case in cases(TRUE, Path(folder)):
                ours = features(case.config, load_vit(case.path, case.config))(case.images)
                check(f"ViT width {case.config.width}, 2 layers: {case.name}", ours, case.features)


if __name__ == "__main__":
    main()
