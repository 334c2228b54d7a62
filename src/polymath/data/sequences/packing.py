"""Packing documents of known size into rows, and rows into a Batch.

`pack` is best-fit decreasing: the largest document first, each into the fullest row that still takes it. It works on
*classes* of documents of equal size, a whole class at a time, so its cost grows with the number of distinct sizes and
not with the number of documents. Documents of one class are interchangeable: `Rows.shuffled` gives every epoch another
assignment and another order at the price of a permutation, while the number of rows stays the same, so that
row k of epoch e can be computed without the epochs before it.
"""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from polymath.data.sequences.sequence import Document, Layout
from polymath.errors import DataError
from polymath.types import Batch


@dataclass(frozen=True)
class Sizes:
    """What each of n documents takes of a row: tokens, image slots, control-step slots."""

    tokens: Int[np.ndarray, " n"]
    images: Int[np.ndarray, " n"]
    control_steps: Int[np.ndarray, " n"]

    def table(self) -> Int[np.ndarray, "n 3"]:
        return np.stack([self.tokens, self.images, self.control_steps], axis=1).astype(np.int64)


@dataclass(frozen=True)
class Rows:
    """A partition of documents into rows: row k holds `order[starts[k]:starts[k + 1]]`.

    classes: the size class of each document; by_class: the places in `order`, sorted by the class that stands there.
    """

    order: Int[np.ndarray, " n"]
    starts: Int[np.ndarray, " rows+1"]
    classes: Int[np.ndarray, " n"]
    by_class: Int[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def row(self, index: int) -> Int[np.ndarray, " k"]:
        return self.order[self.starts[index] : self.starts[index + 1]]

    def shuffled(self, rng: np.random.Generator) -> "Rows":
        """Every document once again: documents of equal size change places, then the rows change order."""
        order = np.empty_like(self.order)
        order[self.by_class] = np.lexsort((rng.random(len(self.order)), self.classes))
        lengths = np.diff(self.starts)
        permutation = rng.permutation(len(lengths))
        starts = np.concatenate([[0], np.cumsum(lengths[permutation])])
        places = np.repeat(self.starts[permutation] - starts[:-1], lengths[permutation]) + np.arange(len(order))
        by_class = np.argsort(self.classes[order[places]], kind="stable")
        return Rows(order[places], starts, self.classes, by_class)


def pack(sizes: Sizes, layout: Layout, source: str = "documents") -> Rows:
    """Assign every document to exactly one row within the caps of `layout`; deterministic.

    Raises DataError naming `source` and the document if one does not fit even alone.
    """
    caps = (layout.length, layout.max_images, layout.max_control_steps)
    table, classes, counts = np.unique(sizes.table(), axis=0, return_inverse=True, return_counts=True)
    classes = classes.reshape(-1)
    _check_fit(table, classes, np.array(caps), source)
    groups = _best_fit(table, counts, caps)
    slots = np.concatenate([np.tile(pattern, repeats) for pattern, repeats in groups]) if groups else np.zeros(0, int)
    lengths = np.concatenate([np.full(n, len(pattern)) for pattern, n in groups]) if groups else np.zeros(0, int)
    by_class = np.argsort(slots, kind="stable")
    order = np.empty(len(slots), np.int64)
    order[by_class] = np.argsort(classes, kind="stable")
    return Rows(order, np.concatenate([[0], np.cumsum(lengths)]), classes, by_class)


def _best_fit(
    table: Int[np.ndarray, "classes 3"], counts: Int[np.ndarray, " classes"], caps: tuple[int, int, int]
) -> list[tuple[list[int], int]]:
    """Groups of equal rows: (the classes of a row's documents, how many such rows)."""
    smallest = table.min(axis=0).tolist() if len(table) else [0, 0, 0]
    groups: list[tuple[list[int], int]] = []
    open_groups: list[tuple[int, int, int, int]] = []  # sorted: tokens, images, steps still free in a row; the group

    def reopen(free: tuple[int, int, int], group: int) -> None:
        if all(f >= s for f, s in zip(free, smallest, strict=True)):
            bisect.insort(open_groups, (*free, group))

    for kind in np.lexsort(table.T[::-1])[::-1].tolist():  # most tokens first
        tokens, images, steps = size = table[kind].tolist()
        count = int(counts[kind])
        while count:
            place = bisect.bisect_left(open_groups, (tokens, 0, 0, 0))
            while place < len(open_groups) and (open_groups[place][1] < images or open_groups[place][2] < steps):
                place += 1
            if place < len(open_groups):
                *room, group = open_groups.pop(place)
            else:
                room, group = list(caps), len(groups)
                groups.append(([], count))
            take = min(count, *(r // s for r, s in zip(room, size, strict=True) if s))
            pattern, rows = groups[group]
            filled = min(rows, count // take)
            if pattern and filled < rows:  # the rest of the group stays open as it is
                reopen((room[0], room[1], room[2]), len(groups))
                groups.append((pattern, rows - filled))
            groups[group] = (pattern + [kind] * take, filled)
            reopen((room[0] - tokens * take, room[1] - images * take, room[2] - steps * take), group)
            count -= filled * take
    return groups


def _check_fit(table: np.ndarray, classes: np.ndarray, caps: np.ndarray, source: str) -> None:
    too_large = np.flatnonzero((table > caps).any(axis=1))
    if not len(too_large):
        return
    kind = int(too_large[0])
    which = int(np.argmax(table[kind] > caps))
    name = ("length", "max_images", "max_control_steps")[which]
    raise DataError(
        f"{source}[{int(np.flatnonzero(classes == kind)[0])}]: needs layout.{name} of {int(table[kind, which])}, "
        f"but a row has {int(caps[which])}; raise layout.{name} or drop the document"
    )


def collate(rows: Sequence[Sequence[Document]], layout: Layout) -> Batch:
    """Lay the documents of each row side by side; see `Batch` for what stands in the empty places.

    The chunks of all documents have the same number of columns.
    """
    b, s, n, m, size = len(rows), layout.length, layout.max_images, layout.max_control_steps, layout.image_size
    widths = {document.actions.shape[2] for documents in rows for document in documents} or {layout.action_dim}
    chunk = (layout.chunk_length, *widths)
    batch = Batch(
        tokens=np.zeros((b, s), np.int32),
        segment_ids=np.zeros((b, s), np.int32),
        positions=np.zeros((b, s), np.int32),
        loss_weights=np.zeros((b, s), np.float32),
        images=np.zeros((b, n, size, size, 3), np.uint8),
        image_index=np.full((b, s), -1, np.int32),
        states=np.zeros((b, m, layout.state_dim), np.float32),
        state_index=np.full((b, s), -1, np.int32),
        actions=np.zeros((b, m, *chunk), np.float32),
        action_mask=np.zeros((b, m, *chunk), bool),
        readout_positions=np.zeros((b, m, layout.chunk_length), np.int32),
    )
    for row, documents in enumerate(rows):
        start = image = step = 0
        for segment, document in enumerate(documents, start=1):
            _place(Batch(*(array[row] for array in batch)), document, segment, start, image, step, layout)
            start += len(document.tokens)
            image += len(document.images)
            step += len(document.states)
    return batch


def _place(row: Batch, document: Document, segment: int, start: int, image: int, step: int, layout: Layout) -> None:
    """Write one document into a row (views of the batch) from token `start`, image slot `image`, step slot `step`."""
    here = slice(start, start + len(document.tokens))
    images, steps = slice(image, image + len(document.images)), slice(step, step + len(document.states))
    row.tokens[here] = document.tokens
    row.segment_ids[here] = segment
    row.positions[here] = np.arange(len(document.tokens))
    row.loss_weights[here] = document.loss_weights
    row.images[images] = document.images
    q = layout.latents_per_image
    latents = start + document.image_starts[:, None] + np.arange(q)
    row.image_index[latents] = (image + np.arange(len(document.images)))[:, None] * q + np.arange(q)
    row.states[steps] = document.states
    row.state_index[start + document.state_positions] = step + np.arange(len(document.states))
    row.actions[steps] = document.actions
    row.action_mask[steps] = document.action_mask
    row.readout_positions[steps] = start + document.readout_positions
