"""The settings of a decoder: its sizes, and what sets public language models apart.

A public language model is our decoder with other settings, which `polymath.model.weights.decoder_config` reads from its
config.json:

    LLaMA, Mistral, SmolLM2    qk_norm=False, learned_beta=False, scale_embedding=False (these two in all below)
    SmolLM3                    as LLaMA, with unrotated layers
    Qwen 2, 2.5                as LLaMA, with qkv_bias
    Qwen 3                     qk_norm=True
    OLMo 2                     norms="after", qk_norm_over="all heads"
    Phi-3, Phi-4 mini          as LLaMA, its fused matrices taken apart; rotary_width
    Gemma 2, 3                 norms="both", norm_offset=1, activation="gelu", scale_embedding=True, sliding layers;
                               Gemma 2 with attention_cap and logit_cap, Gemma 3 with qk_norm and sliding_rope_theta
"""

from dataclasses import dataclass
from typing import Literal

from polymath.errors import ConfigError
from polymath.model import rotary
from polymath.model.layer_kinds import Kind


@dataclass(frozen=True)
class Config:
    """context: the longest sequence that the model was trained for, scaling of the rotation included, in tokens.

    qk_norm_over: the channels of one norm of queries, and of keys. norms: where the residual branches are normalised;
    norm_offset is added to every norm's scale. query_scale: of the attention's scores, else head_width^-0.5.
    attention_cap, logit_cap: soft caps (`attention.Scores`). rotary_width: channels of a head that are rotated, else
    all. layers: the kind of each layer (`layer_kinds`), else all are full; window, sliding_rope_theta: of sliding ones.
    """

    vocabulary: int
    width: int
    depth: int
    heads: int
    kv_heads: int
    head_width: int
    mlp: int
    rope_theta: float = 10_000.0
    epsilon: float = 1e-6
    qk_norm: bool = True
    gate_clamp: float | None = None
    rope_scaling: rotary.Scaling | None = None
    context: int = 4096
    learned_beta: bool = True
    scale_embedding: bool = True
    tied: bool = True
    qkv_bias: bool = False
    qk_norm_over: Literal["head", "all heads"] = "head"
    norms: Literal["before", "after", "both"] = "before"
    norm_offset: float = 0.0
    activation: Literal["swish", "gelu"] = "swish"
    query_scale: float | None = None
    attention_cap: float | None = None
    logit_cap: float | None = None
    rotary_width: int | None = None
    layers: tuple[Kind, ...] = ()
    window: int | None = None
    sliding_rope_theta: float | None = None

    def __post_init__(self) -> None:
        if self.layers and len(self.layers) != self.depth:
            raise ConfigError(
                f"decoder.layers: names {len(self.layers)} layers, but decoder.depth is {self.depth}; name the kind of "
                "every layer, or of none"
            )
        if "sliding" in self.layers and (self.window is None or self.window < 1):
            raise ConfigError(f"decoder.window={self.window}: sliding layers see 1 token or more; set how many")
        if rotary.magnitude(self.rope_scaling) != 1.0 and ("unrotated" in self.layers or self.sliding_rope_theta):
            raise ConfigError(
                "decoder.rope_scaling: it changes the length of rotated vectors, but not every layer here has that "
                "rotation; use another scaling"
            )
        if isinstance(self.rope_scaling, rotary.Yarn) and self.rope_theta <= 1:
            raise ConfigError(
                f"decoder.rope_theta={self.rope_theta}: YaRN divides by its logarithm; set it above 1, 10000 is usual"
            )
