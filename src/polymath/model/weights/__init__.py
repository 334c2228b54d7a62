"""Published weights in: vision transformers in four layouts, LLaMA-family decoders, open_flamingo's resampler."""

from polymath.model.weights.flamingo import load_resampler
from polymath.model.weights.llama import decoder_config, load_decoder
from polymath.model.weights.vision import load_vit

__all__ = ["decoder_config", "load_decoder", "load_resampler", "load_vit"]
