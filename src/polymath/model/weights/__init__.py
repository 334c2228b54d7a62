"""Published weights in: vision transformers in four layouts, decoders of nine families, open_flamingo's resampler."""

from polymath.model.weights.flamingo import load_resampler
from polymath.model.weights.language import load_decoder
from polymath.model.weights.language_config import decoder_config
from polymath.model.weights.vision import check_vit, load_vit, vit_config

__all__ = ["check_vit", "decoder_config", "load_decoder", "load_resampler", "load_vit", "vit_config"]
