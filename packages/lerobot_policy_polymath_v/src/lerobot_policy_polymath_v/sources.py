"""Where the policy is: a directory that `polymath export --format lerobot` wrote, or a server."""

from pathlib import Path
from typing import NamedTuple

from lerobot_policy_polymath_v.configuration_polymath_v import PolymathVConfig
from polymath.errors import ConfigError
from polymath.policy import Policy
from polymath.policy.contract import Contract
from polymath.policy.session import Policy as AnyPolicy


class Source(NamedTuple):
    """A policy and what its checkpoint promises; `name` is what errors call the checkpoint."""

    policy: AnyPolicy
    contract: Contract
    name: str


def of_directory(directory: Path, config: PolymathVConfig) -> Source:
    """The weights alone, in this process. Raises ConfigError or CheckpointError for another kind of directory."""
    policy = Policy.load(directory, batch=config.batch)
    return Source(policy, Contract.of(policy.run), str(directory))


def of_server(url: str) -> Source:
    """A server that says what its policy is, such as `polymath serve`; its API key is $POLYMATH_SERVER_KEY, if any.

    Raises ConfigError for a server without a contract, PolymathError for one that does not answer.
    """
    from polymath.policy.remote.address import address, server_key  # needs websockets, which a directory does not
    from polymath.policy.remote.policy import RemotePolicy

    policy = RemotePolicy(address(url), server_key(None))
    if policy.contract is None:
        raise ConfigError(
            f"--policy.server={url}: does not say which cameras, state and actions its policy has; serve a run with "
            "`polymath serve`"
        )
    return Source(policy, policy.contract, url)
