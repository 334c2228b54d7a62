"""Time, so that tests can simulate it."""

import time


class SystemClock:
    """Seconds of a clock that never goes back; a change of the wall clock does not reach it."""

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(max(seconds, 0.0))
