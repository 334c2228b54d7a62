"""A served policy: sessions are connections, and several of them are asked before the first is waited for.

policy = RemotePolicy(address("ws://robot-lab:8000"), key)
session = policy.open()                       # a connection of its own
chunks = policy.answer([Turn(session, …), …])
"""

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from polymath import wire
from polymath.errors import ConfigError, PolymathError
from polymath.policy.contract import Contract
from polymath.policy.remote.address import Address
from polymath.policy.remote.keys import OPENPI, VLA_EVAL, Keys, keys_of
from polymath.policy.remote.link import Link
from polymath.policy.remote.openpi import Openpi
from polymath.policy.remote.trouble import Busy, Gone, patiently
from polymath.policy.remote.vla_eval import VlaEval
from polymath.policy.session import EpisodeKey, PolicySession, SessionsLost, Turn, check_sessions
from polymath.types import ActionChunk

_log = logging.getLogger(__name__)


class Protocolled(Protocol):
    """One session over one connection, in either protocol."""

    metadata: Mapping[str, Any]

    def begin(self) -> None:
        """A new episode, or a subtask that knows nothing of the one before."""

    def ask(self, turn: Turn) -> None:
        """Send a turn."""

    def answer(self) -> ActionChunk:
        """The answer to the last turn."""

    def close(self) -> None:
        """End the connection."""


class Dialect(NamedTuple):
    """A protocol: the keys of known robots, and the class of its sessions."""

    keys: Mapping[str, Keys]
    session: Callable[[Link, Keys], Protocolled]


DIALECTS = {"openpi": Dialect(OPENPI, Openpi), "vla-eval": Dialect(VLA_EVAL, VlaEval)}


class RemotePolicy:
    """The policy behind an address, found at construction. `metadata` is what the server says about itself.

    A server that leaves is waited for at the next `open`, for `address.wait` seconds; it must then say the same.
    """

    def __init__(self, address: Address, key: str | None = None) -> None:
        """A server that is loading is waited for.

        Raises ConfigError for a wrong key or path, and PolymathError if no policy server answers.
        """
        self.address, self._key = address, key
        self._dialect = DIALECTS[address.protocol]
        self.keys = keys_of(address.robot or "polymath", self._dialect.keys)
        try:
            wait, url = address.wait, address.url
            self._spare: Protocolled | None = patiently(self._connect, wait, url, _log.warning, passing=Busy)
        except Gone as gone:
            raise PolymathError(f"{address.url}: {gone}; start the server, or correct the address") from None
        self.metadata = dict(self._spare.metadata)
        self.contract = self._contract()
        self._check_robot_is_named()

    @property
    def name(self) -> str:
        """The server's own name for the policy; that of the host where it has none."""
        for field in ("policy", "model_server"):
            name = self.metadata.get(field)
            if isinstance(name, str) and name:
                return name
        return self.address.host

    def open(self, episode: EpisodeKey | None = None) -> "RemoteSession":
        """A session over a connection of its own.

        Raises PolymathError if the server stays away for `address.wait` seconds, ConfigError if another policy is
        served by now.
        """
        spare, self._spare = self._spare, None
        if spare is not None:
            return RemoteSession(self, spare)
        url = self.address.url
        connection = patiently(self._connect, self.address.wait, url, _log.warning)
        for field in sorted({*self.metadata, *connection.metadata}):
            before, now = (each.get(field) for each in (self.metadata, connection.metadata))
            if not _same(before, now):
                connection.close()
                raise ConfigError(
                    f"{url}: serves another policy than before: {field} was {_shown(before)}, now {_shown(now)}; "
                    "serve the former one again, or evaluate this one into another directory"
                )
        return RemoteSession(self, connection)

    def answer(self, turns: Sequence[Turn]) -> list[ActionChunk]:
        """One chunk per turn.

        Raises SessionsLost if the server left, or forgot what it was shown; PolymathError if it answers with an error
        or no chunk. The sessions of the turns are closed then, for some of them may have gone on.
        """
        check_sessions(self, turns)
        connections = [turn.session.connection for turn in turns]  # type: ignore[attr-defined]
        try:
            for connection, turn in zip(connections, turns, strict=True):
                connection.ask(turn)
            return [connection.answer() for connection in connections]
        except BaseException as error:
            for turn in turns:
                turn.session.close()
            if isinstance(error, Gone):
                raise SessionsLost(f"{self.address.url}: {error}") from None
            raise

    def close(self) -> None:
        """Close the connection that no session has taken."""
        if self._spare is not None:
            self._spare.close()
        self._spare = None

    def _connect(self) -> Protocolled:
        link = Link.to(self.address.connect_url, self.address.url, self._key)
        try:
            return self._dialect.session(link, self.keys)
        except BaseException:
            link.close()
            raise

    def _contract(self) -> Contract | None:
        ours = self.metadata.get("polymath")
        if not isinstance(ours, Mapping):
            return None
        return Contract.from_dict(ours.get("contract"), f"{self.address.url}: contract")

    def _check_robot_is_named(self) -> None:
        """Raise ConfigError for a server that does not say what it expects, where the user does not say it either."""
        if self.contract is None and not self.address.robot:
            self.close()
            raise ConfigError(
                f"{self.address.url}: does not say what its inputs are called; name a robot whose keys it takes, as in "
                f"?robot={' or ?robot='.join(self._dialect.keys)}, or a file of your own, ?robot=KEYS.json"
            )


class RemoteSession(PolicySession):
    """One episode over one connection."""

    def __init__(self, policy: RemotePolicy, connection: Protocolled) -> None:
        self.policy, self.connection, self.closed = policy, connection, False
        connection.begin()

    def reset(self) -> None:
        """A new subtask: the next observation is the first that counts. A loss shows at the next turn."""
        with contextlib.suppress(Gone):
            self.connection.begin()

    def close(self) -> None:
        """End the connection."""
        self.closed = True
        self.connection.close()


def _same(a: Any, b: Any) -> bool:
    """Equal, arrays and NaN of the metadata included."""
    return wire.encode({"": a}) == wire.encode({"": b})


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
