"""The second way to act: control tokens, decoded one by one and constrained to their block."""

from typing import Any

from jaxtyping import Array, Float

from polymath.model import cache
from polymath.policy.incremental import decode, observe
from polymath.policy.policy import Policy
from polymath.tokenizer.control_tokens import ACTION_BINS
from polymath.types import Batch


class TokenPolicy(Policy):
    """As Policy, but the chunk is the likeliest W * A action tokens after the prompt, at the centres of their bins.

    Slower by W * A small steps, with a resolution of 1/128 of an action's range; it uses what the cross-entropy taught.
    """

    def _chunks(self, params: Any, batch: Batch) -> Float[Array, "B W A"]:
        recipe, control = self.run.recipe, self.run.tokenizer.control
        model, layout, width = recipe.model, recipe.layout, self.run.embodiment.action_dim
        rows, length = batch.tokens.shape
        count = layout.chunk_length * width
        capacity = max(length, min(length + count, layout.length))
        room = cache.empty(model.decoder, rows, capacity, recipe.execution.activation_dtype)
        observed = observe(params, model, batch, room, recipe.execution)
        ids = decode(params.decoder, model.decoder, observed, control.actions, count)
        centres = (ids - control.actions.start + 0.5) * (2 / ACTION_BINS) - 1.0
        return centres.reshape(len(ids), layout.chunk_length, width)
