"""How an answer is read off a trained run: the action head's chunk, or control tokens decoded one by one."""

import hashlib
import math
from dataclasses import dataclass
from typing import Literal

import jax
import numpy as np
from jaxtyping import Array, Float, UInt32

from polymath.errors import ConfigError, DataError
from polymath.model import polymath_v
from polymath.policy.incremental import Observed, decode, drawn, likeliest
from polymath.policy.session import EpisodeKey
from polymath.training.run import Run


@dataclass(frozen=True)
class Decoding:
    """kind: "head" takes the regressed chunk, "tokens" decodes the W * A action tokens after the prompt.

    Tokens use what the cross-entropy taught: W * A small steps more, a resolution of 1/128 of an action's range, and at
    a temperature above 0 a draw among what the demonstrators did instead of the likeliest token each time.
    Raises ConfigError for an unknown kind and a temperature that is negative, not finite, or without tokens.
    """

    kind: Literal["head", "tokens"] = "head"
    temperature: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in ("head", "tokens"):
            raise ConfigError(f"decode {self.kind!r}: choose head or tokens")
        if not math.isfinite(self.temperature) or self.temperature < 0:
            raise ConfigError(
                f"temperature {self.temperature}: choose 0 for the likeliest tokens, or a number above it"
            )
        if self.temperature and self.kind == "head":
            raise ConfigError(f"temperature {self.temperature}: the action head draws nothing; set decode to tokens")

    @property
    def label(self) -> str:
        """In results and file names: "head", "tokens", "tokens-t0.7"."""
        return self.kind + (f"-t{self.temperature:g}" if self.temperature else "")


HEAD = Decoding()


def seed_of(episode: EpisodeKey | int, turn: int) -> UInt32[np.ndarray, "2"]:
    """What decides the draws of an episode's turn, so that they depend on nothing else; a number for a nameless one."""
    text = "\0".join(map(str, episode)) if isinstance(episode, tuple) else str(episode)
    return np.frombuffer(hashlib.sha256(f"{text}\0{turn}".encode()).digest()[:8], np.uint32)


class Readout:
    """The decoding of one run's answers, on the device and then on the host. `room`: tokens that it appends."""

    def __init__(self, run: Run, decoding: Decoding) -> None:
        self.decoding = decoding
        self._recipe, self._control = run.recipe, run.tokenizer.control
        self.room = run.recipe.layout.chunk_length * run.embodiment.action_dim if decoding.kind == "tokens" else 0

    def read(self, params: polymath_v.Params, observed: Observed, seeds: UInt32[Array, "B 2"]) -> Array:
        """On the device: normalised chunks [B, W, A], or ids of action tokens [B, W * A]."""
        if self.decoding.kind == "head":
            return observed.actions
        temperature = self.decoding.temperature
        choose = drawn(seeds, temperature) if temperature else likeliest
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
