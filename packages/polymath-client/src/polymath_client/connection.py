"""One WebSocket to a server that speaks openpi's protocol, ours or openpi's own."""

import re
import ssl
import threading
from contextlib import ExitStack
from typing import Any, Dict, Mapping, NamedTuple, Optional

import numpy as np
from websockets.exceptions import InvalidURI, WebSocketException
from websockets.sync.client import connect

from polymath_client import contract, wire
from polymath_client.checks import above_zero, vector
from polymath_client.errors import ChunkError, ClientError, ConnectionLost, ContractError, ServerError

TURNED_AWAY = (400, 401, 403, 404)  # HTTP statuses that do not change by waiting
PASSING_TLS = (ssl.SSLEOFError, ssl.SSLZeroReturnError)  # of a server that goes in the middle of a handshake
KEY = re.compile(r"[!-~]+")  # what stands in an HTTP header
OTHER_PROTOCOL = "/vla-eval"  # the path at which our server waits for vla-eval's first word


WRITE_IT = "write it as ws://HOST:PORT or wss://HOST:PORT/MODEL"


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
        """`options` of `websockets.sync.client.connect` (ssl, …) go before ours; `timeout`: seconds for an answer.

        Raises ClientError for what is no address, key or time, ConnectionLost if no server answers there or it is not
        ready, ServerError if it turns the robot away (a wrong key, an unknown model), ContractError if it serves
        another robot than is claimed.
        """
        self.url, self.timeout = _checked_url(url), above_zero("timeout", timeout, "give seconds above 0")
        if claims is not None and not isinstance(claims, Mapping):
            raise ClientError(f"claims: a {type(claims).__name__}; give fields of the contract, as in {{'rate': 20.0}}")
        headers = {} if api_key is None else {"Authorization": f"Api-Key {_checked_key(api_key)}"}
        self._claims, self._lock, self._open = claims, threading.Lock(), ExitStack()
        headers.update(options.pop("additional_headers", None) or {})
        options = {"compression": None, "max_size": None, "open_timeout": timeout, **options}
        try:
            self._socket = self._open.enter_context(connect(url, additional_headers=headers, **options))
        except (InvalidURI, ValueError) as error:  # ValueError: of a port or a host that urllib cannot read
            raise ClientError(f"url: {url}: {_line(error)}; {WRITE_IT}") from None
        except (OSError, WebSocketException) as error:
            raise _unopened(url, error) from None
        try:
            self.metadata: Dict[str, Any] = self._receive()
            self._check_contract()
        except ClientError:
            self.close()
            raise

    @property
    def contract(self) -> Optional[Mapping[str, Any]]:
        """What the checkpoint promises; None from a server that does not say. Raises ContractError for no map."""
        ours = self.metadata.get("polymath")
        promises = ours.get("contract") if isinstance(ours, Mapping) else None
        if promises is not None and not isinstance(promises, Mapping):
            raise ContractError(f"{self.url}: sends a {type(promises).__name__} as its contract, not a map of fields")
        return promises

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
        if not isinstance(request.observation, Mapping):
            raise ClientError(f"observation: a {type(request.observation).__name__}; give a map of the adapter's keys")
        message = dict(request.observation)
        request = request._replace(
            executed=_sent("executed", request.executed), committed=_sent("committed", request.committed)
        )
        if self.contract is not None:
            if self._claims is not None:
                message["polymath/claims"] = self._claims
            if request.reset:
                message["polymath/reset"] = True
            elif request.executed is not None:
                message["polymath/executed"] = request.executed
            if request.committed is not None and len(request.committed):
                message["polymath/committed"] = request.committed
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
        promises = self.contract
        if self._claims is None:
            return
        if promises is None:
            raise ContractError(f"{self.url}: sends no contract to check the claims against; leave them out")
        contract.check(self._claims, promises)


def _actions(answer: Mapping[str, Any], request: Request, promises: Optional[Mapping[str, Any]]) -> np.ndarray:
    """The chunk, checked. Raises ChunkError."""
    try:
        actions = np.asarray(answer.get("actions"))
    except ValueError:  # lists of different lengths
        actions = np.empty(0, object)
    if actions.dtype.kind not in "fiu" or actions.ndim != 2 or not actions.size:
        raise ChunkError(f"actions: {actions.dtype} {list(actions.shape)}; an answer is numbers of [W, A]")
    action = (promises or {}).get("action")
    names = action.get("names") if isinstance(action, Mapping) else None
    width = len(names) if isinstance(names, (list, tuple)) and names else actions.shape[1]
    for other in (request.executed, request.committed):
        width = width if names or other is None or not np.size(other) else np.shape(other)[1]
    if actions.shape[1] != width:
        raise ChunkError(f"actions: {actions.shape[1]} numbers each, but the robot has {width}")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinity
        actions = np.array(actions, np.float32)
    if not np.isfinite(actions).all():
        raise ChunkError("actions: hold NaN or infinity; nothing of this chunk is carried out")
    committed = 0 if request.committed is None else len(request.committed)
    if len(actions) <= committed:
        raise ChunkError(f"actions: {len(actions)} of them, but {committed} were committed; commit fewer")
    return actions


def _sent(name: str, actions: Any) -> Optional[np.ndarray]:
    """Actions as float32 [K, A], K of 0 included."""
    if actions is None:
        return None
    numbers = vector(name, actions)
    if numbers.ndim != 2 and numbers.size:
        raise ClientError(f"{name}: shape {list(numbers.shape)}; give the actions as [K, A]")
    return numbers


def _checked_url(url: Any) -> str:
    if not isinstance(url, str):
        raise ClientError(f"url: {url!r}; {WRITE_IT}")
    if url.partition("?")[0].rstrip("/").endswith(OTHER_PROTOCOL):
        raise ClientError(f"url: {url}: vla-eval's protocol is spoken at {OTHER_PROTOCOL}; leave that end out")
    return url


def _checked_key(key: Any) -> str:
    """The key is never printed."""
    if not isinstance(key, str) or not KEY.fullmatch(key.strip()):
        raise ClientError("api_key: is one word of printable ASCII characters; read it from a file, without quotes")
    return key.strip()


def _unopened(url: str, error: Exception) -> ClientError:
    """What a handshake that failed means; what the server says about it is in the message."""
    if isinstance(error, ssl.SSLError) and not isinstance(error, PASSING_TLS):
        remedy = "write ws:// where the server speaks no TLS, or name its authority in $SSL_CERT_FILE"
        return ClientError(f"{url}: TLS fails ({_line(error)}); {remedy}")
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    words = bytes(getattr(response, "body", None) or b"")[:2000].decode("utf-8", "replace")
    own_words = f"; the server says: {_line(words)}" if words.strip() else ""
    if status in TURNED_AWAY:
        return ServerError(f"{url}: {_line(error)}; check the API key, the name of the model and the robot{own_words}")
    return ConnectionLost(f"{url}: {_line(error)}; is the server running there?{own_words}")


def _line(reason: object) -> str:
    text = " ".join(str(reason).split())
    return text or type(reason).__name__
