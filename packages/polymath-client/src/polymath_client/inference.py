"""Ways to ask for a chunk: at once, or in a thread while the robot goes on moving.

Both have `submit(request)`, `busy`, and `poll()`, which gives the reply once it is there, or raises what went wrong.
One request is under way at a time.
"""

import queue
import threading
from typing import Callable, Optional, Tuple

from polymath_client.connection import Reply, Request
from polymath_client.errors import ClientError

Infer = Callable[[Request], Reply]
Outcome = Tuple[Optional[Reply], Optional[BaseException]]


class Immediate:
    """The robot waits for each answer."""

    def __init__(self, infer: Infer) -> None:
        self._infer = infer
        self._reply: Optional[Reply] = None

    @property
    def busy(self) -> bool:
        return self._reply is not None

    def submit(self, request: Request) -> None:
        self._reply = self._infer(request)

    def poll(self) -> Optional[Reply]:
        reply, self._reply = self._reply, None
        return reply

    def close(self) -> None:
        """Nothing is held."""


class Background:
    """A thread asks; `submit` and `poll` return at once. Both belong to the thread of the control loop."""

    def __init__(self, infer: Infer) -> None:
        self._infer = infer
        self._requests: queue.Queue[Optional[Request]] = queue.Queue()
        self._outcomes: queue.Queue[Outcome] = queue.Queue()
        self._busy = False
        self._thread = threading.Thread(target=self._work, name="polymath-client", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether a request is under way or its reply has not been taken."""
        return self._busy

    def submit(self, request: Request) -> None:
        """Raises ClientError while another request is under way."""
        if self._busy:
            raise ClientError("inference: a request is under way; take its reply first")
        if not self._thread.is_alive():
            raise ClientError("inference: is closed; make another")
        self._busy = True
        self._requests.put(request)

    def poll(self) -> Optional[Reply]:
        """The reply, or None while there is none. Raises what the thread met."""
        try:
            reply, error = self._outcomes.get_nowait()
        except queue.Empty:
            return None
        self._busy = False
        if error is not None:
            raise error
        return reply

    def close(self, timeout: float = 1.0) -> None:
        """The thread ends after the request that is under way."""
        self._requests.put(None)
        self._thread.join(timeout)

    def _work(self) -> None:
        while True:
            request = self._requests.get()
            if request is None:
                return
            try:
                self._outcomes.put((self._infer(request), None))
            except Exception as error:  # it is raised again in the control loop's thread
                self._outcomes.put((None, error))
