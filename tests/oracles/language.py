"""Public decoders of every family against transformers: a tiny random model of each gives the same logits here.

python tests/oracles/language.py             all families, a few sizes
python tests/oracles/language.py --record    the same at toy size, into tests/fixtures/language
python tests/oracles/language.py qwen3       one of them
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import jax
import numpy as np
import torch
import transformers
from common import FIXTURES, check, randomise
from llama import ours

from polymath.model.weights import decoder_config, load_decoder

LENGTH, VOCABULARY, TOLERANCE = 24, 96, 1e-5
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "attn_implementation": "eager",
}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "qwen2": ("Qwen2", {"tie_word_embeddings": True}),
    "qwen2_windows": (
        "Qwen2",
        {"use_sliding_window": True, "sliding_window": 7, "max_window_layers": 1, "tie_word_embeddings": False},
    ),
    "qwen3": ("Qwen3", {"head_dim": 16, "tie_word_embeddings": True}),
    "smollm3": ("SmolLM3", {"no_rope_layer_interval": 2}),
    "olmo2": ("Olmo2", {}),
    "gemma2": (
        "Gemma2",
        {
            "head_dim": 12,
            "query_pre_attn_scalar": 8,
            "sliding_window": 6,
            "attn_logit_softcapping": 2.0,
            "final_logit_softcapping": 1.5,
        },
    ),
    "gemma3": (
        "Gemma3Text",
        {
            "head_dim": 12,
            "query_pre_attn_scalar": 8,
            "sliding_window": 6,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
            "rope_parameters": {
                "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
                "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
            },
        },
    ),
    "phi3": ("Phi3", {"sliding_window": 9, "num_key_value_heads": 2}),
    "phi4_mini": (
        "Phi3",
        {
            "max_position_embeddings": 64,
            "original_max_position_embeddings": 32,
            "head_dim": 8,
            "tie_word_embeddings": True,
            "rope_parameters": {
                "rope_type": "longrope",
                "rope_theta": 1e4,
                "partial_rotary_factor": 0.75,
                "short_factor": [1.0, 1.2, 1.7],
                "long_factor": [1.0, 2.0, 4.0],
                "original_max_position_embeddings": 32,
            },
        },
    ),
    "mistral": ("Mistral", {"sliding_window": 5, "head_dim": 12}),
}


def model(kind: str, settings: dict[str, Any]) -> transformers.PreTrainedModel:
    config = getattr(transformers, f"{kind}Config")(**{**SIZES, **settings})
    return randomise(getattr(transformers, f"{kind.removesuffix('Text')}ForCausalLM")(config))


def compare(name: str, folder: Path) -> dict[str, np.ndarray]:
    """Check the logits of one family, written to `folder`/`name`; returns what a fixture needs."""
    kind, settings = FAMILIES[name]
    theirs = model(kind, settings)
    theirs.save_pretrained(folder / name)
    config = decoder_config(folder / name / "config.json")
    params = load_decoder(folder / name, config)
    tokens = np.random.default_rng(0).integers(0, VOCABULARY, (2, LENGTH))
    with torch.no_grad():
        logits = theirs(torch.from_numpy(tokens)).logits.numpy()
    check(f"{name}: logits", jax.jit(lambda p: ours(p, config, tokens))(params), logits, TOLERANCE)
    return {"tokens": tokens, "logits": logits}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(FAMILIES))
    arguments = parser.parse_args()
    names = arguments.names or list(FAMILIES)
    with tempfile.TemporaryDirectory() as temporary:
        folder = FIXTURES / "language" if arguments.record else Path(temporary)
        for name in names:
            values = compare(name, folder)
            if arguments.record:
                np.savez_compressed(folder / f"{name}.io.npz", **values)
                (folder / name / "generation_config.json").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
