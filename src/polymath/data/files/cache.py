"""A cache of bounded size for decoded pictures and file parts, shared by the loader's threads."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar

T = TypeVar("T")


class ByteCache:
    """Least recently used values leave when the sum of their sizes exceeds `capacity` bytes."""

    def __init__(self, capacity: int) -> None:
        self._capacity, self._used = capacity, 0
        self._values: OrderedDict[Hashable, tuple[object, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, read: Callable[[], T], size: Callable[[T], int]) -> T:
        """The value of `key`, from `read` on a miss; two threads may read the same value at once, which is harmless."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key][0]  # type: ignore[return-value]
        value = read()
        with self._lock:
            if key not in self._values:
                self._values[key] = (value, size(value))
                self._used += size(value)
            while self._used > self._capacity and len(self._values) > 1:
                _, (_, freed) = self._values.popitem(last=False)
                self._used -= freed
        return value
