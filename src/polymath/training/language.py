"""A public language model under our own vocabulary.

The blocks are taken as they are. The embeddings belong to another tokenizer, so each of our tokens begins with the mean
of the embeddings of the pieces into which that tokenizer cuts its text (Gee et al. 2022, "Fast Vocabulary Transfer for
Language Model Compression", EMNLP industry track, section 3). Control tokens, and text for which that tokenizer has no
piece, begin with a draw of the same mean and spread.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Array, Float

from polymath.errors import CheckpointError, ConfigError
from polymath.model import decoder
from polymath.model.weights import decoder_config, load_decoder
from polymath.specs import is_spec
from polymath.tokenizer import Tokenizer
from polymath.training.pieces import pieces_of
from polymath.training.recipe import Recipe


def with_decoder_of(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with the decoder that `folder`/config.json describes, under the recipe's own vocabulary.

    Raises ConfigError for a model that our decoder cannot be, and for a file in the folder's place.
    """
    if folder.is_file():
        raise ConfigError(
            f"{folder}: is a file, but a published decoder is a folder with config.json, .safetensors and "
            f"tokenizer.json; give {folder.parent}"
        )
    language = replace(decoder_config(folder / "config.json"), vocabulary=recipe.model.decoder.vocabulary)
    head = replace(recipe.model.action_head, width=language.width)
    return replace(recipe, model=replace(recipe.model, decoder=language, action_head=head))


def load_language(
    folder: Path, config: decoder.Config, tokenizer: Tokenizer, seed: int = 0, shardings: decoder.Params | None = None
) -> decoder.Params:
    """The weights of `config`: the folder's blocks, and its embeddings translated to `tokenizer`.

    shardings: a tree like `decoder.specs(config)`; the published embeddings pass through the host, one at a time.
    Raises CheckpointError for weights or a tokenizer.json that are missing or do not fit.
    """
    pieces = pieces_of(tokenizer, folder / "tokenizer.json")
    published = replace(config, vocabulary=decoder_config(folder / "config.json").vocabulary)
    here = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    places = jax.tree.map(lambda _: here, decoder.specs(config), is_leaf=is_spec) if shardings is None else shardings
    passing = replace(places, embedding=here, output=None if config.tied else here)
    last = max((number for numbers in pieces for number in numbers), default=0)
    if last >= published.vocabulary:
        raise CheckpointError(
            f"{folder / 'tokenizer.json'}: gives id {last:,}, but the model has {published.vocabulary:,} embeddings "
            "(vocab_size in config.json); fetch the tokenizer that came with these weights"
        )
    params = load_decoder(folder, published, shardings=passing)

    def translated(
        matrix: Float[Array, "theirs D"] | None, place: jax.sharding.Sharding | None
    ) -> Float[Array, "ours D"] | None:
        return None if matrix is None else jax.device_put(translate(np.asarray(matrix), pieces, seed), place)

    embedding, output = translated(params.embedding, places.embedding), translated(params.output, places.output)
    return replace(params, embedding=embedding, output=output)


def translate(
    matrix: Float[np.ndarray, "theirs D"], pieces: Sequence[Sequence[int]], seed: int
) -> Float[np.ndarray, "ours D"]:
    """One row a token: the mean of the rows of its pieces, else a normal draw like the rows of `matrix`."""
    rng = np.random.default_rng(seed)
    mean, spread = matrix.mean(axis=0), matrix.std(axis=0)
    ours = np.empty((len(pieces), matrix.shape[1]), matrix.dtype)
    for row, ids in zip(ours, pieces, strict=True):
        row[:] = matrix[ids].mean(axis=0) if ids else rng.normal(mean, spread)
    return ours
