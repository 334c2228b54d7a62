"""The page's own thread: pictures, readers, attention. Neither the event loop nor the robots' passes wait for it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from polymath.serving.sessions import Overloaded

T = TypeVar("T")
MOST_WAITING = 64


class Thread:
    """Work one after the other; more than MOST_WAITING is refused."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="page")
        self._waiting = 0

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work`, or what it raises. Raises Overloaded where too much waits."""
        if self._waiting >= MOST_WAITING:
            raise Overloaded("the page: too many pictures are asked for at once; try again in a moment")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            self._waiting -= 1
