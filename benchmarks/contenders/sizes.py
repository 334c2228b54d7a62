"""What every contender builds: equal sizes, so that equal parameter counts. Plain Python, read in every environment."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Decoder:
    """A decoder of the LLaMA kind: tied embedding, RMSNorm, rotary positions, gated SiLU, K = H."""

    width: int
    depth: int
    heads: int
    mlp: int  # 8/3 of the width, rounded up to a multiple of 128
    batch: int
    length: int
    vocabulary: int = 32_000


DECODERS = {
    256: Decoder(width=256, depth=4, heads=4, mlp=768, batch=8, length=256),
    512: Decoder(width=512, depth=8, heads=8, mlp=1408, batch=4, length=512),
}


@dataclass(frozen=True)
class Policy:
    """One picture, a short instruction and the state in, a chunk of actions out."""

    vision_width: int
    vision_heads: int
    vision_mlp: int
    width: int
    heads: int
    kv_heads: int
    mlp: int
    vision_depth: int = 7
    image_size: int = 224
    vocabulary: int = 32_000
    chunk: int = 8
    action_dim: int = 7
    state_dim: int = 8
    history: int = 8  # earlier control steps that a streaming policy remembers


POLICIES = {
    # a third of the weights looks: as in `polymath_v_1b`
    "vision-heavy": Policy(vision_width=384, vision_heads=6, vision_mlp=1536, width=384, heads=6, kv_heads=2, mlp=1024),
    # a tenth looks: as in published models of billions of weights, ours (5 to 6 %) and pi0 (12 %)
    "language-heavy": Policy(
        vision_width=192, vision_heads=3, vision_mlp=768, width=512, heads=8, kv_heads=2, mlp=1408
    ),
}
INSTRUCTION = "put the red cup on the plate"
