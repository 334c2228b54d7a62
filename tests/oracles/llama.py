"""Our decoder on LLaMA-family weights against transformers: logits, gradients, and the scalings of the rotation.

python tests/oracles/llama.py             a few hundred wide
python tests/oracles/llama.py --record    the same at toy size, into tests/fixtures/llama
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
import transformers
from common import FIXTURES, check, randomise

from polymath.model import decoder, rotary
from polymath.model.execution import Execution
from polymath.model.weights import decoder_config, load_decoder

TRAINED = 32
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": TRAINED}
SCALINGS: dict[str, dict[str, Any]] = {
    "plain": {"rope_type": "default"},
    "linear": {"rope_type": "linear", "factor": 4.0},
    "yarn": YARN,
    "yarn_attention": {**YARN, "attention_factor": 1.0, "beta_fast": 16.0, "beta_slow": 2.0},
    "yarn_mscale": {**YARN, "mscale": 0.707, "mscale_all_dim": 1.4},
    "yarn_whole": {**YARN, "original_max_position_embeddings": 100, "truncate": False},
    "llama3": {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": TRAINED,
    },
}
WIDTHS = {"yarn_attention": 16, "yarn_mscale": 16}  # of the recorded models, else 32


def model(width: int, scaling: dict[str, Any], tied: bool) -> transformers.LlamaForCausalLM:
    settings = transformers.LlamaConfig(
        vocab_size=96,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_theta": 1000.0, **scaling},
        tie_word_embeddings=tied,
        attn_implementation="eager",
    )
    return randomise(transformers.LlamaForCausalLM(settings))


def ours(params: decoder.Params, config: decoder.Config, tokens: np.ndarray) -> jax.Array:
    """Logits of unpacked sequences."""
    positions = jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape)
    x = decoder.embed(params, config, tokens)
    hidden = decoder.forward(params, config, x, positions, jnp.ones(tokens.shape, int), Execution(remat="none"))
    return decoder.logits(params, config, hidden)


def loss(params: decoder.Params, config: decoder.Config, tokens: np.ndarray) -> jax.Array:
    """Mean cross-entropy on the next token, as transformers' `labels=` computes it."""
    log_p = jax.nn.log_softmax(ours(params, config, tokens)[:, :-1])
    return -jnp.mean(jnp.take_along_axis(log_p, tokens[:, 1:, None], axis=-1))


def compare(name: str, width: int, folder: Path, tied: bool) -> dict[str, np.ndarray]:
    """Check logits and gradients of one scaling; returns what a fixture needs."""
    theirs = model(width, SCALINGS[name], tied)
    path = folder / name
    theirs.save_pretrained(path)
    config = decoder_config(path / "config.json")
    params = load_decoder(path, config)
    tokens = np.random.default_rng(0).integers(0, 96, (2, 48))
    answer = theirs(torch.from_numpy(tokens), labels=torch.from_numpy(tokens))
    answer.loss.backward()
    logits = answer.logits.detach().numpy()
    check(f"Llama {name}: logits", jax.jit(lambda p: ours(p, config, tokens))(params), logits)
    gradient = jax.jit(jax.grad(lambda p: loss(p, config, tokens)))(params)
    theirs_gradient = as_ours(theirs, config, folder / f"{name}-gradient")
    for ours_leaf, (key, leaf) in zip(jax.tree.leaves(gradient), theirs_gradient.items(), strict=True):
        check(f"Llama {name}: gradient of {key}", ours_leaf, leaf)
    return {"tokens": tokens, "logits": logits, **{f"gradient.{key}": leaf for key, leaf in theirs_gradient.items()}}


def as_ours(theirs: transformers.LlamaForCausalLM, config: decoder.Config, folder: Path) -> dict[str, np.ndarray]:
    """Their gradients written like weights and read by our loader, so in our shapes."""
    from safetensors.torch import save_file

    from polymath.specs import named

    folder.mkdir()
    save_file({k: w.grad.contiguous() for k, w in theirs.named_parameters()}, folder / "model.safetensors")
    gradient = {name: np.asarray(w) for name, w in named(load_decoder(folder, config))}
    (folder / "model.safetensors").unlink()
    folder.rmdir()
    return gradient


def compare_ntk() -> None:
    """transformers has the NTK-aware formula as its "dynamic" one: at factor 1 it stretches by length / trained."""
    settings = transformers.LlamaConfig(
        hidden_size=256,
        num_attention_heads=4,
        max_position_embeddings=TRAINED,
        rope_parameters={"rope_theta": 1000.0, "rope_type": "dynamic", "factor": 1.0},
    )
    function = transformers.modeling_rope_utils.ROPE_INIT_FUNCTIONS["dynamic"]
    theirs, _ = function(settings, torch.device("cpu"), seq_len=4 * TRAINED)
    check("NTK-aware frequencies", rotary.frequencies(64, 1000.0, rotary.NtkAware(4.0)), theirs.numpy())


def record(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in SCALINGS:
        values = compare(name, WIDTHS.get(name, 32), folder, tied=name == "linear")
        keep = values if name == "plain" else {key: values[key] for key in ("tokens", "logits")}
        np.savez_compressed(folder / f"{name}.io.npz", **keep)
        (folder / name / "generation_config.json").unlink(missing_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true")
    if parser.parse_args().record:
        record(FIXTURES / "llama")
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in SCALINGS:
            compare(name, 256, Path(folder), tied=name == "linear")
    compare_ntk()


if __name__ == "__main__":
    main()
