"""A public language model with its own tokenizer, or under another vocabulary.

With its own tokenizer, which is the default, blocks and embeddings are taken as they are; the control tokens behind
them begin with a draw of the embeddings' mean and spread.

Under another vocabulary (`--tokenizer FILE`) the blocks are taken as they are, and each token begins with the mean of
the embeddings of the pieces into which the model's tokenizer cuts its text (Gee et al. 2022, "Fast Vocabulary Transfer
for Language Model Compression", EMNLP industry track, section 3). Control tokens, and text for which that tokenizer has
no piece, begin with the same draw.
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
    """The recipe with the decoder that `folder`/config.json describes, its vocabulary and the control tokens behind it.

    The vocabulary is that of the embeddings; `fitting.for_tokenizer` sets it to a tokenizer's. Raises
    ConfigError for a model that our decoder cannot be, and for a file in the folder's place.
    """
    if folder.is_file():
        raise ConfigError(
            f"{folder}: is a file, but a published decoder is a folder with config.json, .safetensors and "
            f"tokenizer.json; give {folder.parent}"
        )
    published = decoder_config(folder / "config.json")
    language = replace(published, vocabulary=published.vocabulary + recipe.control_tokens)
    head = replace(recipe.model.action_head, width=language.width)
    return replace(recipe, model=replace(recipe.model, decoder=language, action_head=head))


def load_language(
    folder: Path, config: decoder.Config, tokenizer: Tokenizer, seed: int = 0, shardings: decoder.Params | None = None
) -> decoder.Params:
    """The weights of `config`: the folder's blocks, and its embeddings, translated unless `tokenizer` is the folder's.

    shardings: a tree like `decoder.specs(config)`; the published embeddings pass through the host, one at a time.
    Raises CheckpointError for weights or a tokenizer.json that are missing or do not fit.
    """
    published = replace(config, vocabulary=decoder_config(folder / "config.json").vocabulary)
    here = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    places = jax.tree.map(lambda _: here, decoder.specs(config), is_leaf=is_spec) if shardings is None else shardings
    passing = replace(places, embedding=here, output=None if config.tied else here)
    rows = _rows(folder, tokenizer, published.vocabulary)
    params = load_decoder(folder, published, shardings=passing)

    def under_ours(
        matrix: Float[Array, "theirs D"] | None, place: jax.sharding.Sharding | None
    ) -> Float[Array, "ours D"] | None:
        return None if matrix is None else jax.device_put(translate(np.asarray(matrix), rows, seed), place)

    embedding, output = under_ours(params.embedding, places.embedding), under_ours(params.output, places.output)
    return replace(params, embedding=embedding, output=output)


def _rows(folder: Path, tokenizer: Tokenizer, vocabulary: int) -> Sequence[Sequence[int]]:
    """For each id of `tokenizer` the published rows whose mean its embedding is; none: it is drawn."""
    if tokenizer.is_public and tokenizer.same_ids(Tokenizer.from_public(folder, tokenizer.control.size)):
        return [(number,) if number < vocabulary else () for number in range(tokenizer.vocab_size)]
    pieces = pieces_of(tokenizer, folder / "tokenizer.json")
    last = max((number for numbers in pieces for number in numbers), default=0)
    if last >= vocabulary:
        raise CheckpointError(
            f"{folder / 'tokenizer.json'}: gives id {last:,}, but the model has {vocabulary:,} embeddings "
            "(vocab_size in config.json); fetch the tokenizer that came with these weights"
        )
    return pieces


def translate(
    matrix: Float[np.ndarray, "theirs D"], rows: Sequence[Sequence[int]], seed: int
) -> Float[np.ndarray, "ours D"]:
    """One row a token: its one row of `matrix`, the mean of several, else a normal draw like the rows of `matrix`."""
    rng = np.random.default_rng(seed)
    mean, spread = matrix.mean(axis=0), matrix.std(axis=0)
    ours = np.empty((len(rows), matrix.shape[1]), matrix.dtype)
    for row, numbers in zip(ours, rows, strict=True):
        row[:] = rng.normal(mean, spread) if not numbers else matrix[list(numbers)].mean(axis=0)
    return ours
