"""Image-text pairs in memory, as an `interface.PairSet`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from polymath.types import ImageText


@dataclass(frozen=True)
class MemoryPairs:
    pairs: Sequence[ImageText]
    name: str = "pairs in memory"

    def __len__(self) -> int:
        return len(self.pairs)

    def text(self, index: int) -> str:
        return self.pairs[index].text

    def image(self, index: int) -> UInt8[np.ndarray, "height width 3"]:
        return self.pairs[index].image
