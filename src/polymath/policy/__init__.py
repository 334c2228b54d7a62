"""From a trained run to a policy: Observation in, ActionChunk out."""

from polymath.policy.policy import Policy

__all__ = ["Policy"]
