"""How much memory a piece of work takes at most."""

import re
import threading
import time
from pathlib import Path


class Peak:
    """How much anonymous memory of this process grew at most within the `with` block, sampled every 5 ms (Linux)."""

    def __enter__(self) -> "Peak":
        self._before = self._peak = _anonymous()
        self._ended, self._began = threading.Event(), time.perf_counter()
        self._watch = threading.Thread(target=self._sample, daemon=True)
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._began
        self._ended.set()
        self._watch.join()
        self.grown = self._peak - self._before

    def _sample(self) -> None:
        while not self._ended.wait(0.005):
            self._peak = max(self._peak, _anonymous())


def _anonymous() -> int:
    """Bytes."""
    kilobytes = re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return 1024 * int(kilobytes[1]) if kilobytes else 0
