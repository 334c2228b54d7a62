"""From a trained run to a policy: Observation in, ActionChunk out.

`Policy` answers with the action head, `TokenPolicy` decodes control tokens, `StreamingPolicy` keeps a robot's history
in a key-value cache, so that a control step costs its new tokens alone. `session.py` holds what all policies have in
common, a user's own included. Each name is loaded at its first use, so that the protocols cost no jax.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polymath.policy.policy import Policy
    from polymath.policy.streaming import StreamingPolicy
    from polymath.policy.tokens import TokenPolicy

__all__ = ["Policy", "StreamingPolicy", "TokenPolicy"]

_HOMES = {
    "Policy": "polymath.policy.policy",
    "StreamingPolicy": "polymath.policy.streaming",
    "TokenPolicy": "polymath.policy.tokens",
}


def __getattr__(name: str) -> Any:
    """The class of that name, from the module that defines it (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'polymath.policy' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)
