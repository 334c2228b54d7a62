"""What transformers, open_clip, timm and open_flamingo computed from toy weights, recorded by `tests/oracles`."""

import json
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from polymath import config as configs
from polymath.model import decoder, resampler, rotary, vit
from polymath.model.execution import Execution
from polymath.model.weights import decoder_config, load_decoder, load_resampler, load_vit
from polymath.specs import named

FIXTURES = Path(__file__).parents[2] / "fixtures"


def close(ours: jax.Array, theirs: np.ndarray, tolerance: float = 2e-6) -> None:
    """Relative to the norm; the oracles themselves ask for 1e-4 and find 1e-6."""
    assert ours.shape == theirs.shape
    assert float(jnp.linalg.norm(ours - theirs)) <= tolerance * float(np.linalg.norm(theirs))


@pytest.mark.parametrize("name", sorted(path.stem for path in (FIXTURES / "vision").glob("*.json")))
def test_vit(name: str) -> None:
    settings = json.loads((FIXTURES / "vision" / f"{name}.json").read_text())
    config = configs.from_dict(vit.Config, settings["config"])
    recorded = np.load(FIXTURES / "vision" / f"{name}.io.npz")
    params = load_vit(FIXTURES / "vision" / settings["weights"], config)
    close(jax.jit(lambda x: vit.forward(params, config, x))(recorded["images"]), recorded["features"])


@pytest.mark.parametrize("name", ["picture", "clip"])
def test_resampler(name: str) -> None:
    config = configs.load(resampler.Config, FIXTURES / "flamingo" / f"{name}.json")
    recorded = np.load(FIXTURES / "flamingo" / f"{name}.io.npz")
    params = load_resampler(FIXTURES / "flamingo" / f"{name}.safetensors", config)
    close(jax.jit(lambda x: resampler.forward(params, config, x))(recorded["media"]), recorded["latents"])


def logits(params: decoder.Params, config: decoder.Config, tokens: np.ndarray) -> jax.Array:
    positions = jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape)
    x = decoder.embed(params, config, tokens)
    hidden = decoder.forward(params, config, x, positions, jnp.ones(tokens.shape, int), Execution(remat="none"))
    return decoder.logits(params, config, hidden)


@pytest.mark.parametrize("name", ["plain", "linear", "yarn", "llama3", "yarn_attention", "yarn_mscale", "yarn_whole"])
def test_llama_logits(name: str) -> None:
    """One fixture a scaling of the rotation; `linear` also ties the embedding."""
    folder = FIXTURES / "llama"
    config, recorded = decoder_config(folder / name / "config.json"), np.load(folder / f"{name}.io.npz")
    assert (config.rope_scaling is None) == (name == "plain")
    assert config.tied == (name == "linear")
    params = load_decoder(folder / name, config)
    close(jax.jit(lambda tokens: logits(params, config, tokens))(recorded["tokens"]), recorded["logits"])


@pytest.mark.parametrize("name", ["yarn_attention", "yarn_mscale", "yarn_whole"])
def test_every_setting_of_yarn_shows_in_the_logits(name: str) -> None:
    """Else the recorded logits would not tell whether a setting is applied."""
    folder = FIXTURES / "llama"
    config, recorded = decoder_config(folder / name / "config.json"), np.load(folder / f"{name}.io.npz")
    assert isinstance(config.rope_scaling, rotary.Yarn)
    plain = replace(config, rope_scaling=rotary.Yarn(config.rope_scaling.factor, config.rope_scaling.trained))
    ours = logits(load_decoder(folder / name, plain), plain, recorded["tokens"])
    assert float(jnp.linalg.norm(ours - recorded["logits"])) > 0.01 * float(np.linalg.norm(recorded["logits"]))


def test_llama_gradients() -> None:
    folder = FIXTURES / "llama"
    config, recorded = decoder_config(folder / "plain" / "config.json"), np.load(folder / "plain.io.npz")
    tokens = recorded["tokens"]

    def loss(params: decoder.Params) -> jax.Array:
        log_p = jax.nn.log_softmax(logits(params, config, tokens)[:, :-1])
        return -jnp.mean(jnp.take_along_axis(log_p, tokens[:, 1:, None], axis=-1))

    for name, gradient in named(jax.jit(jax.grad(loss))(load_decoder(folder / "plain", config))):
        close(gradient, recorded[f"gradient.{name}"], 1e-5)
