"""The second way to act: control tokens, decoded one by one and constrained to their block."""

from typing import Any

import numpy as np
from jaxtyping import Array, Float

from polymath.data.sequences.sequence import Document
from polymath.errors import DataError
from polymath.model import cache
from polymath.policy.incremental import decode, observe
from polymath.policy.policy import Policy
from polymath.types import Batch


class TokenPolicy(Policy):
    """As Policy, but the chunk is the likeliest W * A action tokens after the prompt, at the centres of their bins.

    Slower by W * A small steps, with a resolution of 1/128 of an action's range; it uses what the cross-entropy taught.
    """

    @property
    def _action_tokens(self) -> int:
        return self.run.recipe.layout.chunk_length * self.run.embodiment.action_dim

    def _answer(self, prompts: list[Document], length: int) -> Float[np.ndarray, "n W A"]:
        """Raises DataError where the actions after the prompt would go beyond the sequences of the training."""
        tokens, most = max(len(prompt.tokens) for prompt in prompts), self.run.recipe.layout.length
        if tokens + self._action_tokens > most:
            raise DataError(
                f"instruction: the prompt has {tokens} tokens and the actions {self._action_tokens}, but sequences of "
                f"the training had {most} at most (layout.length); shorten it"
            )
        actions = self.run.tokenizer.control.decode_actions(self._outputs(prompts, length))
        return actions.reshape(len(prompts), self.run.recipe.layout.chunk_length, -1)

    def _program(self, params: Any, batch: Batch) -> Array:
        """What is compiled: the ids of the action tokens [B, W * A]."""
        recipe, control = self.run.recipe, self.run.tokenizer.control
        model, layout, count = recipe.model, recipe.layout, self._action_tokens
        rows, length = batch.tokens.shape
        capacity = min(length + count, layout.length)
        room = cache.empty(model.decoder, rows, capacity, recipe.execution.activation_dtype)
        observed = observe(params, model, batch, room, recipe.execution)
        return decode(params.decoder, model.decoder, observed, control.actions, count)
