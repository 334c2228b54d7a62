"""An aligned run's parts as a public model's folders: the same features, hidden states and ids of text."""

import json
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from benchmarks.public_folders import without_control_tokens, write_language, write_vision

from polymath.model import decoder, polymath_v, vit
from polymath.model.execution import PLAIN
from polymath.model.weights import decoder_config, load_decoder, load_vit, vit_config
from polymath.presets.demo import MODEL
from polymath.specs import is_spec
from polymath.tokenizer import ControlTokens, Tokenizer, train
from polymath.tokenizer.corpus import shipped

CONTROL = 512


def drawn() -> polymath_v.Params:
    """Random weights: every norm's scale, every bias and β too."""
    rng = np.random.default_rng(0)
    specs = polymath_v.specs(MODEL)
    return jax.tree.map(lambda spec: rng.normal(0.5, 0.2, spec.shape).astype(np.float32), specs, is_leaf=is_spec)


def test_the_tower_and_the_language_model_compute_what_they_did(tmp_path: Path) -> None:
    params, ours = drawn(), MODEL.decoder
    write_vision(tmp_path / "vision", MODEL.vit, params.vit)
    described = vit_config(tmp_path / "vision")
    assert described == replace(MODEL.vit, position_scale=None)
    images = np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3), np.uint8)
    look = jax.jit(vit.forward, static_argnums=1)
    features = look(load_vit(tmp_path / "vision", described), described, jnp.asarray(images))
    np.testing.assert_array_equal(features, look(params.vit, described, jnp.asarray(images)))

    write_language(tmp_path / "language", ours, params.decoder, CONTROL)
    theirs = decoder_config(tmp_path / "language" / "config.json")
    assert (theirs.vocabulary, theirs.learned_beta, theirs.tied) == (ours.vocabulary - CONTROL, False, False)
    loaded = load_decoder(tmp_path / "language", theirs)
    ids = np.random.default_rng(2).integers(CONTROL, ours.vocabulary, (1, 20))
    expected, result = hidden(params.decoder, ours, ids), hidden(loaded, theirs, ids - CONTROL)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)  # β is taken into the matrices
    assert loaded.output is not None
    np.testing.assert_array_equal(loaded.output, params.decoder.embedding[CONTROL:])


def hidden(params: decoder.Params, config: decoder.Config, ids: np.ndarray) -> np.ndarray:
    places = jnp.arange(ids.shape[1])[None]

    @jax.jit
    def states(params: decoder.Params, ids: jax.Array) -> jax.Array:
        return decoder.forward(params, config, decoder.embed(params, config, ids), places, jnp.ones_like(places), PLAIN)

    return np.asarray(states(params, jnp.asarray(ids)))


def test_the_ids_of_text_are_counted_from_0(tmp_path: Path) -> None:
    own = train(shipped(), 1024, ControlTokens(CONTROL))
    own.save(tmp_path / "own.json")
    settings = json.loads((tmp_path / "own.json").read_text())
    (tmp_path / "tokenizer.json").write_text(json.dumps(without_control_tokens(settings, CONTROL)))
    (tmp_path / "config.json").write_text(json.dumps({"vocab_size": 1024 - CONTROL}))
    public = Tokenizer.from_public(tmp_path, CONTROL)
    text = "press the button on the left, <robot:1> 123 Grüße 机器人"
    assert public.encode(text) == [number - CONTROL for number in own.encode(text)]
    assert (public.control.first, public.vocab_size) == (1024 - CONTROL, 1024)
