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

    image_size: int = 224
    vision_width: int = 384
    vision_heads: int = 6
    vision_mlp: int = 1536
    width: int = 384
    heads: int = 6
    kv_heads: int = 2
    mlp: int = 1024
    vocabulary: int = 32_000
    chunk: int = 8
    action_dim: int = 7
    state_dim: int = 8
    history: int = 8  # earlier control steps that a streaming policy remembers


POLICY = Policy()
INSTRUCTION = "put the red cup on the plate"
