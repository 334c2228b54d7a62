"""What a checkpoint promises, for the server; remote policies read it too, so it is defined in `polymath.policy`."""

from polymath.policy.contract import Contract, Difference, disagreement

__all__ = ["Contract", "Difference", "disagreement"]
