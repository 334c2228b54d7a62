"""How often each word of a corpus occurs, in bounded memory: what does not fit is written out and added up at the end.

A word is what PATTERN cuts out; no merge spans two of them, so their counts are all that training needs.

    texts ─► counter (native) ── over the budget ─► DIRECTORY/spill-000000.parquet   row group p: the words whose
                                                    DIRECTORY/spill-000001.parquet   checksum is p modulo 64
    words(): row group p of every spill, added up, for p = 0, 1, …, 63
"""

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import ffbpe
import pyarrow as pa
import pyarrow.parquet as pq

from polymath.files import disk_errors
from polymath.tokenizer.vocabulary import PATTERN

PARTITIONS = 64
BYTES_PER_WORD = 400  # of a counter at the moment when it is written out: the native table, Python's copy, Arrow's
BATCH, BATCH_LETTERS = 4096, 2**23  # at most as many texts, letters are counted between two looks at the budget
RAREST_EXACT = 1_000_000  # no larger count is ever left out
UNIT = 1024  # counts are kept in this fraction, so that weights add up exactly whatever the order
SCHEMA = pa.schema([("word", pa.large_string()), ("count", pa.int64())])


class WordCounts:
    """Counts of words, of which about `memory` bytes are held at a time; spills go to `directory`."""

    def __init__(self, directory: Path, memory: int = 2 * 2**30) -> None:
        self._directory, self._capacity = Path(directory), max(1, memory // BYTES_PER_WORD)
        self._cutter = ffbpe.PreTokenizer([], pat_str=PATTERN)
        self._counter = self._cutter.word_counter()
        self._weighted: dict[str, int] = {}
        self._spills: list[Path] = []

    def add(self, texts: Iterable[str], weight: float = 1.0) -> None:
        """Count the words of `texts`, each `weight` times (rounded to 1/1024)."""
        batch: list[str] = []
        letters = 0
        for text in texts:
            batch.append(text)
            letters += len(text)
            if len(batch) == BATCH or letters >= BATCH_LETTERS:
                self._count(batch, weight)
                batch, letters = [], 0
        self._count(batch, weight)
        self._collect(weight)

    def add_words(self, words: Iterable[tuple[str, int]], weight: float = 1.0) -> None:
        """Add counted words of another source. They are cut as text is: one of them may be several words of ours."""
        for word, count in words:
            for part, times in self._cutter.get_words(word).items():
                self._add(part, count * times, weight)

    def min_count(self, largest: int) -> int:
        """The smallest `min_count` whose words are together at most `largest` bytes long."""
        lengths: Counter[int] = Counter()
        for word, count in self.words():
            lengths[min(count, RAREST_EXACT)] += len(word.encode())
        total = sum(lengths.values())
        threshold = 1
        while total > largest and threshold < RAREST_EXACT:
            total -= lengths[threshold]
            threshold += 1
        return threshold

    def words(self, min_count: int = 1) -> Iterator[tuple[str, int]]:
        """Every word that occurs at least `min_count` times (weighted, rounded down), once, in no particular order."""
        if not self._spills:
            yield from ((word, n // UNIT) for word, n in self._weighted.items() if n >= min_count * UNIT)
            return
        self.spill()
        files = [pq.ParquetFile(path) for path in self._spills]
        for part in range(PARTITIONS):
            table = pa.concat_tables([file.read_row_group(part) for file in files])
            total = table.group_by("word", use_threads=False).aggregate([("count", "sum")])
            for word, n in zip(total["word"].to_pylist(), total["count_sum"].to_pylist(), strict=True):
                if n >= min_count * UNIT:
                    yield word, n // UNIT

    def _count(self, batch: list[str], weight: float) -> None:
        self._counter.add_batch(batch)
        if self._counter.len + len(self._weighted) >= self._capacity:
            self._collect(weight)
            self.spill()

    def _collect(self, weight: float) -> None:
        """From the native counter into the weighted counts."""
        counted = self._counter.words()
        self._counter.clear()
        for word, count in counted.items():
            self._add(word, count, weight)

    def _add(self, word: str, count: int, weight: float) -> None:
        self._weighted[word] = self._weighted.get(word, 0) + count * round(weight * UNIT)
        if len(self._weighted) >= self._capacity:
            self.spill()

    def spill(self) -> None:
        """Move all counts to disk, which leaves the memory to others."""
        parts: list[list[str]] = [[] for _ in range(PARTITIONS)]
        for word in self._weighted:
            parts[zlib.crc32(word.encode()) % PARTITIONS].append(word)
        path = self._directory / f"spill-{len(self._spills):06d}.parquet"
        with disk_errors(path), pq.ParquetWriter(path, SCHEMA) as writer:
            for words in parts:
                counts = [self._weighted[word] for word in words]
                writer.write_table(pa.table([words, counts], schema=SCHEMA))
        self._spills.append(path)
        self._weighted = {}
