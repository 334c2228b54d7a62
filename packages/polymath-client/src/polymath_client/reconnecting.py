"""A connection that is opened again when its server goes."""

from typing import Callable, Optional

from polymath_client.checks import number
from polymath_client.clock import SystemClock
from polymath_client.connection import Connection, Reply, Request
from polymath_client.contract import check
from polymath_client.errors import ConnectionLost, ContractError, Reconnected

SHORTEST, LONGEST = 0.1, 5.0  # seconds between attempts; each wait is twice the one before


class Reconnecting:
    """`infer` as of `Connection`; while the server is gone it waits, up to `patience` seconds.

    open_connection: makes a connection, such as `lambda: Connection(url, claims)`.
    """

    def __init__(
        self,
        open_connection: Callable[[], Connection],
        patience: float = 60.0,
        clock: Optional[SystemClock] = None,
    ) -> None:
        """Raises ConnectionLost if the server does not come within `patience` seconds, and ClientError for a time that
        is none.
        """
        self._patience = number("patience", patience, "give seconds, 0 to try once", 0.0)
        self._open, self._clock = open_connection, clock or SystemClock()
        self.connection = self._opened()
        self._contract = self.connection.contract

    def infer(self, request: Request) -> Reply:
        """Raises Reconnected after the server was gone: the answer would be to an old observation, and the session is a
        new one. ConnectionLost if it does not come back; the next call then tries again. ContractError if the server
        that comes back serves another checkpoint.
        """
        try:
            return self.connection.infer(request)
        except ConnectionLost as error:
            self.connection.close()
            connection = self._opened()
            if self._contract is not None:
                try:
                    check(self._contract, connection.contract or {})
                except ContractError:
                    connection.close()
                    raise
            self.connection = connection
            raise Reconnected(f"{error}; connected again") from None

    def close(self) -> None:
        self.connection.close()

    def _opened(self) -> Connection:
        begin, wait = self._clock.now(), SHORTEST
        while True:
            try:
                return self._open()
            except ConnectionLost:
                left = begin + self._patience - self._clock.now()
                if left <= 0:
                    raise
            self._clock.sleep(min(wait, left))
            wait = min(2 * wait, LONGEST)
