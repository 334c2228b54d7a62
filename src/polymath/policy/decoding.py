"""Which way a trained run answers: with the action head's chunk, or with control tokens decoded one by one."""

import hashlib
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import UInt32

from polymath.errors import ConfigError
from polymath.policy.session import EpisodeKey

Dtype = Literal["float32", "bf16", "int8"]
"""In which a run's weights are held for inference; see `polymath.policy.weights`."""


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
