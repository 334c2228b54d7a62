"""How much a document counts in the cross-entropy, beside the other documents of its batch.

The objective divides the weighted sum over a batch by the sum of its weights, so only ratios matter:

    per token      every learned token of the source weighs `weight`: a long caption counts more than a short one, and
                   a window of 56 action tokens more than a caption of 20
    per document   the learned tokens of a document share `weight`: a pair and a trajectory window count as configured,
                   however long they are
"""

from dataclasses import replace
from typing import Literal

import numpy as np

from polymath.data.sequences.sequence import Document

Per = Literal["token", "document"]


def weigh(document: Document, weight: float, per: Per = "token") -> Document:
    """The document with its loss weights scaled; one without any learned token stays as it is."""
    total = float(document.loss_weights.sum(dtype=np.float64)) if per == "document" else 1.0
    if total == 0.0 or weight == total:
        return document
    return replace(document, loss_weights=document.loss_weights * np.float32(weight / total))
