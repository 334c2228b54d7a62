"""How an answer is read off the hidden states of a trained run, as its `Decoding` says."""

import jax
import numpy as np
from jaxtyping import Array, Float, Int, UInt32

from polymath.errors import ConfigError, DataError
from polymath.model import polymath_v
from polymath.policy.decoding import Decoding
from polymath.policy.incremental import Observed, decode, drawn, likeliest, prescribed
from polymath.training.run import Run
from polymath.types import Batch


class Readout:
    """The decoding of one run's answers, on the device and then on the host. `room`: tokens that it appends."""

    def __init__(self, run: Run, decoding: Decoding) -> None:
        """Raises ConfigError for tokens that the run was not trained on."""
        if decoding.kind == "tokens" and not run.recipe.layout.action_tokens:
            raise ConfigError(
                f"decode tokens: {run.path} was trained without them (layout.action_tokens=False); set decode to head"
            )
        self.decoding = decoding
        self._recipe, self._control = run.recipe, run.tokenizer.control
        self.room = run.recipe.layout.chunk_length * run.embodiment.action_dim if decoding.kind == "tokens" else 0

    def forced(self, batch: Batch) -> Int[np.ndarray, "B room"] | None:
        """On the host: the number of the action token that each step of the decoding must take, -1 where it is free.

        Those of the committed actions of the newest control step; None where nothing can be committed or decoded.
        """
        if self.decoding.kind == "head" or not self._recipe.model.committed:
            return None
        newest = batch.actions[:, -1]  # [B, W, A + 1]
        own = newest[..., : self.room // newest.shape[1]]
        numbers = self._control.encode_actions(own) - self._control.actions.start
        return np.where(newest[..., -1:] > 0, numbers, -1).astype(np.int32).reshape(len(newest), -1)

    def read(
        self,
        params: polymath_v.Params,
        observed: Observed,
        seeds: UInt32[Array, "B 2"],
        forced: Int[Array, "B room"] | None = None,
    ) -> Array:
        """On the device: normalised chunks [B, W, A], or ids of action tokens [B, W * A], `forced` ones as they are."""
        if self.decoding.kind == "head":
            return observed.actions
        temperature = self.decoding.temperature
        choose = drawn(seeds, temperature) if temperature else likeliest
        if forced is not None:
            choose = prescribed(forced, choose)
        return decode(params.decoder, self._recipe.model.decoder, observed, self._control.actions, self.room, choose)

    def normalised(self, outputs: jax.Array) -> Float[np.ndarray, "B W A"]:
        """On the host: what `read` gave as normalised chunks; tokens stand at the centres of their bins."""
        if self.decoding.kind == "head":
            return np.asarray(outputs)
        actions = self._control.decode_actions(np.asarray(outputs))
        return actions.reshape(len(actions), self._recipe.layout.chunk_length, -1)

    def check(self, tokens: int) -> None:
        """Raise DataError where the actions after a prompt would go beyond the sequences of the training."""
        most = self._recipe.layout.length
        if tokens + self.room > most:
            raise DataError(
                f"instruction: the prompt has {tokens} tokens and the actions {self.room}, but sequences of the "
                f"training had {most} at most (layout.length); shorten it"
            )
