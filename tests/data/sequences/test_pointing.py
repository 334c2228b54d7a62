"""Pointing documents: the readouts regress the answer, no token is a target, what does not fit is named."""

import numpy as np
import pytest

from polymath.data.formats.webdataset.reader import WebDatasetPairs
from polymath.data.formats.webdataset.writer import WebDatasetWriter
from polymath.data.sequences.documents import PointingDocuments
from polymath.data.sequences.sequence import POINTER_SLOT, Layout
from polymath.errors import DataError
from polymath.types import ImageText

LAYOUT = Layout(length=32, latents_per_image=3, image_size=8, chunk_length=2, action_dim=4, state_dim=3)


def write(path, pairs, extras):
    with WebDatasetWriter(path) as writer:
        for pair, extra in zip(pairs, extras, strict=True):
            writer.add(pair, extra)
    return WebDatasetPairs(path)


def test_only_pairs_with_a_question_become_documents(tmp_path, tokenizer):
    picture = np.full((8, 8, 3), 7, np.uint8)
    fields = {"question": "the cup", "targets": [[0.5, -0.5, 0.0], [1.0, 0.0, 0.0]], "mask": [[1, 1, 0], [0, 0, 0]]}
    pairs = write(tmp_path / "pairs", [ImageText(picture, "a cup")] * 2, [{}, {"pointing": fields}])
    documents = PointingDocuments(pairs, LAYOUT, tokenizer)
    assert len(documents.sizes.tokens) == 1
    document = documents.document(0, np.random.default_rng(0))
    assert len(document.tokens) == documents.sizes.tokens[0]
    control = tokenizer.control
    expected = [control.bos, control.robot(POINTER_SLOT), *tokenizer.encode("the cup"), *[control.img] * 3]
    assert document.tokens.tolist() == [*expected, control.state, *control.readouts[:2]]
    assert not document.loss_weights.any()
    np.testing.assert_allclose(document.actions[0], [[0.5, -0.5, 0, 0], [1, 0, 0, 0]])
    assert document.action_mask.sum() == 2


@pytest.mark.parametrize("targets", [[[0.0]], [[0.0] * 5] * 2, [[float("nan")], [0.0]]])
def test_an_answer_of_the_wrong_shape_is_named(tmp_path, tokenizer, targets):
    mask = [[True] * len(row) for row in targets]
    fields = {"question": "the cup", "targets": targets, "mask": mask}
    pairs = write(tmp_path / "pairs", [ImageText(np.zeros((8, 8, 3), np.uint8), "a cup")], [{"pointing": fields}])
    with pytest.raises(DataError, match=r"\[0\]\.pointing"):
        PointingDocuments(pairs, LAYOUT, tokenizer)


def test_pairs_without_any_question_are_refused(tmp_path, tokenizer):
    pairs = write(tmp_path / "pairs", [ImageText(np.zeros((8, 8, 3), np.uint8), "a cup")], [{}])
    with pytest.raises(DataError, match="no pair carries a pointing question"):
        PointingDocuments(pairs, LAYOUT, tokenizer)
