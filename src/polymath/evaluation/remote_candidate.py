"""A served policy as the candidate of an evaluation: what the server says of it, and where it is."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polymath import extras
from polymath.evaluation.candidate import Candidate
from polymath.policy.remote.address import address, server_key

LONGEST_NAME = 80  # of a server's own choice; it names files


def of_address(text: str, name: str | None = None, key_file: Path | None = None) -> Candidate:
    """The policy at ws://HOST:PORT[/MODEL] or vla-eval+ws://…, with the key of `key_file` or of the environment.

    What our own server promises counts as a run's own: robot, cameras, picture size, renderer, stride of the history,
    checkpoint and weights. Of another server the address and a hash of its metadata say what was evaluated.
    Raises ConfigError or PolymathError if no policy is served there, the key is wrong, or the inputs have no names.
    """
    place = address(text)
    key = server_key(key_file)
    extras.require("serve", f"--policy {place.url}")
    from polymath.policy.remote.policy import RemotePolicy

    policy = RemotePolicy(place, key)
    ours = policy.metadata.get("polymath") if policy.contract else None
    handshake: Mapping[str, Any] = ours if isinstance(ours, Mapping) else {}
    contract = policy.contract
    every_step = 1 if place.protocol == "vla-eval" else None
    return Candidate(
        name=name or re.sub(r"[^\w.-]", "-", policy.name).lstrip(".-")[:LONGEST_NAME] or place.host,
        policy=policy,
        checkpoint=str(handshake.get("checkpoint") or f"{place.connect_url} ({_digest(policy.metadata)})"),
        trained_on=contract.renderer if contract else None,
        embodiment=contract.embodiment if contract else None,
        image_size=contract.image.size if contract else policy.keys.image_size,
        image_fit="pad" if contract and contract.image.fit == "pad" else "stretch",
        cameras=contract.cameras.names if contract else tuple(policy.keys.images),
        weights=str(handshake.get("weights") or ""),
        decode=str(handshake.get("decode") or place.protocol),
        execute=every_step or (contract.execute if contract else None),
    )


def _digest(metadata: Mapping[str, Any]) -> str:
    text = json.dumps(metadata, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
