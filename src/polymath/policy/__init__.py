"""From a trained run to a policy: Observation in, ActionChunk out.

`session.py` holds what all policies have in common, a user's own included: a policy opens sessions, one an episode, and
answers several of them at once. `Policy` is that of a trained run, `Decoding` how its answers are read off. Each name
is loaded at its first use, so that the protocols cost no jax.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polymath.policy.decoding import Decoding
    from polymath.policy.policy import Policy

__all__ = ["Decoding", "Policy"]

_HOMES = {"Decoding": "polymath.policy.decoding", "Policy": "polymath.policy.policy"}


def __getattr__(name: str) -> Any:
    """The class of that name, from the module that defines it (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'polymath.policy' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)
