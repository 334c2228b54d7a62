"""One WebSocket to a server that speaks openpi's protocol, ours or openpi's own."""

import threading
from contextlib import ExitStack
from typing import Any, Dict, Mapping, NamedTuple, Optional

import numpy as np
from websockets.exceptions import InvalidURI, WebSocketException
from websockets.sync.client import connect

from polymath_client import contract, wire
from polymath_client.errors import ChunkError, ClientError, ConnectionLost, ContractError, ServerError

TURNED_AWAY = (400, 401, 403, 404)  # HTTP statuses that do not change by waiting


class Request(NamedTuple):
    """An observation and what the server should know besides.

    executed: [K, A] carried out since the last observation. committed: [D, A] that will be carried out from this one
    on, before the answer can arrive. reset: a new episode begins.
    """

    observation: Mapping[str, Any]
    executed: Optional[np.ndarray] = None
    committed: Optional[np.ndarray] = None
    reset: bool = False


class Reply(NamedTuple):
    """actions: float32 [W, A], the first D of them the committed ones; info: all else that the server says."""

    actions: np.ndarray
    info: Dict[str, Any]


class Connection:
    """A connection and its session. It belongs to one thread at a time.

    claims: what the robot says about itself, checked here and by the server against the checkpoint's contract.
    """

    def __init__(
        self,
        url: str,
        claims: Optional[Mapping[str, Any]] = None,
        api_key: Optional[str] = None,
        timeout: float = 30.0,
        **options: Any,
    ) -> None:
        """`options` go to `websockets.sync.client.connect` (ssl_context, …); `timeout`: seconds for an answer.

        Raises ConnectionLost if no server answers there or it is not ready, ServerError if it turns the robot away (a
        wrong key, an unknown model), ContractError if it serves another robot than is claimed.
        """
        headers = {} if api_key is None else {"Authorization": f"Api-Key {api_key}"}
        self.url, self.timeout = url, timeout
        self._claims, self._lock, self._open = claims, threading.Lock(), ExitStack()
        options.update(additional_headers=headers, compression=None, max_size=None, open_timeout=timeout)
        try:
            self._socket = self._open.enter_context(connect(url, **options))
        except InvalidURI as error:
            raise ClientError(f"{_line(error)}; write it as ws://HOST:PORT or wss://HOST:PORT/MODEL") from None
        except (OSError, WebSocketException) as error:
            status = getattr(getattr(error, "response", None), "status_code", None)
            if status in TURNED_AWAY:
                raise ServerError(f"{url}: {_line(error)}; check the API key and the name of the model") from None
            raise ConnectionLost(f"{url}: {_line(error)}; is the server running there?") from None
        try:
            self.metadata: Dict[str, Any] = self._receive()
            self._check_contract()
        except ClientError:
            self.close()
            raise

    @property
    def contract(self) -> Optional[Mapping[str, Any]]:
        """What the checkpoint promises; None from a server that does not say."""
        ours = self.metadata.get("polymath")
        return ours.get("contract") if isinstance(ours, Mapping) else None

    def infer(self, request: Request) -> Reply:
        """The answer to one observation.

        Raises ServerError if the server refuses it, ConnectionLost if there is no answer, ChunkError for an answer that
        cannot be carried out, ClientError if two threads ask at once.
        """
        if not self._lock.acquire(blocking=False):
            raise ClientError("connection: another thread waits for an answer; give each thread its own connection")
        try:
            return self._infer(request)
        finally:
            self._lock.release()

    def close(self) -> None:
        """End the session. A closed connection may be closed again."""
        self._open.close()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _infer(self, request: Request) -> Reply:
        message = dict(request.observation)
        if self.contract is not None:
            if self._claims is not None:
                message["polymath/claims"] = self._claims
            if request.reset:
                message["polymath/reset"] = True
            elif request.executed is not None:
                message["polymath/executed"] = np.asarray(request.executed, np.float32)
            if request.committed is not None and len(request.committed):
                message["polymath/committed"] = np.asarray(request.committed, np.float32)
        data = wire.encode(message)
        try:
            self._socket.send(data)
        except (OSError, WebSocketException) as error:
            raise self._lost(error) from None
        answer = self._receive()
        self._claims = None  # said once, and accepted
        return Reply(_actions(answer, request, self.contract), answer)

    def _receive(self) -> Dict[str, Any]:
        try:
            data = self._socket.recv(timeout=self.timeout)
        except TimeoutError:
            raise self._lost(f"no answer within {self.timeout:g} s") from None
        except (OSError, WebSocketException) as error:
            raise self._lost(error) from None
        if isinstance(data, str):
            raise ServerError(_line(data))
        message = wire.decode(data)
        if not isinstance(message, dict):
            raise ClientError(
                f"{self.url}: answers with a {type(message).__name__}, not a map; is it an openpi server?"
            )
        return message

    def _lost(self, reason: object) -> ConnectionLost:
        """Answers follow requests without a number, so after a missing one the connection is of no use."""
        self.close()
        return ConnectionLost(f"{self.url}: {_line(reason)}")

    def _check_contract(self) -> None:
        if self._claims is None:
            return
        if self.contract is None:
            raise ContractError(f"{self.url}: sends no contract to check the claims against; leave them out")
        contract.check(self._claims, self.contract)


def _actions(answer: Mapping[str, Any], request: Request, promises: Optional[Mapping[str, Any]]) -> np.ndarray:
    """The chunk, checked. Raises ChunkError."""
    actions = np.asarray(answer.get("actions"))
    if actions.dtype.kind not in "fiu" or actions.ndim != 2 or not actions.size:
        raise ChunkError(f"actions: {actions.dtype} {list(actions.shape)}; an answer is numbers of [W, A]")
    names = (promises or {}).get("action", {}).get("names")
    width = len(names) if names else actions.shape[1]
    for other in (request.executed, request.committed):
        width = width if other is None or names else np.shape(other)[1]
    if actions.shape[1] != width:
        raise ChunkError(f"actions: {actions.shape[1]} numbers each, but the robot has {width}")
    if not np.isfinite(actions).all():
        raise ChunkError("actions: hold NaN or infinity; nothing of this chunk is carried out")
    committed = 0 if request.committed is None else len(request.committed)
    if len(actions) <= committed:
        raise ChunkError(f"actions: {len(actions)} of them, but {committed} were committed; commit fewer")
    return np.array(actions, np.float32)


def _line(reason: object) -> str:
    text = " ".join(str(reason).split())
    return text or type(reason).__name__
