"""What can go wrong between a robot and its server; every message is one line."""


class ClientError(Exception):
    """Any of the errors below, and a wrong use of the package."""


class ContractError(ClientError):
    """Robot and checkpoint disagree; both sides are printed."""


class ServerError(ClientError):
    """The server refused a request, in its own words."""


class ChunkError(ClientError):
    """An answer that no robot should carry out: NaN, another width, too short."""


class ConnectionLost(ClientError):
    """The server is not there, has gone, or did not answer in time."""


class Reconnected(ClientError):
    """The server was gone and is back: what was asked is outdated, ask again with a new observation."""
