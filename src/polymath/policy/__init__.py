"""From a trained run to a policy: Observation in, ActionChunk out.

`Policy` answers with the action head, `TokenPolicy` decodes control tokens, `StreamingPolicy` keeps a robot's history
in a key-value cache, so that a control step costs its new tokens alone.
"""

from polymath.policy.policy import Policy
from polymath.policy.streaming import StreamingPolicy
from polymath.policy.tokens import TokenPolicy

__all__ = ["Policy", "StreamingPolicy", "TokenPolicy"]
