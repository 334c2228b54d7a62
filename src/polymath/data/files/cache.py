"""A cache of bounded size for decoded pictures and file parts, shared by the loader's threads."""

import threading
from collections.abc import Callable, Hashable
from typing import TypeVar

from cachetools import LRUCache

T = TypeVar("T")


class ByteCache:
    """Least recently used values leave when the sum of their sizes exceeds `capacity` bytes.

    A value larger than that stays until the next one comes, alone.
    """

    def __init__(self, capacity: int) -> None:
        capacity = max(1, capacity)
        self._sized: LRUCache = LRUCache(capacity, getsizeof=lambda entry: min(entry[1], capacity))
        self._lock = threading.Lock()

    def get(self, key: Hashable, read: Callable[[], T], size: Callable[[T], int]) -> T:
        """The value of `key`, from `read` on a miss; two threads may read the same value at once, which is harmless."""
        with self._lock:
            if key in self._sized:
                return self._sized[key][0]
        value = read()
        with self._lock:
            if key not in self._sized:
                self._sized[key] = (value, size(value))
        return value
