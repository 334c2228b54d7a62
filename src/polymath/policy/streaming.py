"""Streaming control: one robot's history stays in the key-value cache, a control step costs its new tokens.

    step 1   <bos> <robot> instruction <img>… <state> <act>…
    step 2                                                   a… <img>… <state> <act>…        appended, nothing else
    step 3                                                                            a… <img>… <state> <act>…

`a…` are the actions that were executed between two observations. A stream holds at most the T observations of the
layout's window; when it is full it starts again from its newest T // 2, which are computed once more.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from polymath.data.sequences.packing import collate
from polymath.data.sequences.sequence import Document
from polymath.errors import DataError
from polymath.model import cache, polymath_v
from polymath.policy.incremental import observe
from polymath.policy.policy import Policy, bucket
from polymath.training.run import Run
from polymath.types import ActionChunk, Batch, Observation


class StreamingPolicy:
    """The weights and programs that the streams of several robots share."""

    def __init__(self, run: Run, params: polymath_v.Params, name: str) -> None:
        self.run, self.name, self.params = run, name, params
        model, execution = run.recipe.model, run.recipe.execution

        def program(params: polymath_v.Params, batch: Batch, before: cache.Cache) -> tuple[jax.Array, cache.Cache]:
            observed = observe(params, model, batch, before, execution)
            return observed.actions, observed.cache

        self.observe = jax.jit(program, donate_argnums=2)
        self.empty = jax.jit(
            partial(cache.empty, model.decoder, 1, run.recipe.layout.length, execution.activation_dtype)
        )

    @classmethod
    def load(cls, path: Path, name: str | None = None) -> "StreamingPolicy":
        """The newest weights of the run's robot phase. Raises ConfigError or CheckpointError if it is incomplete."""
        policy = Policy.load(path, name)
        return cls(policy.run, policy.params, policy.name)

    def start(self) -> "Stream":
        """A stream for one episode of one robot."""
        return Stream(self)


class _History(NamedTuple):
    """What the cache holds: `tokens` of the prompt of these observations and the actions executed between them."""

    observations: tuple[Observation, ...]
    executed: tuple[Float[np.ndarray, "stride A"], ...]
    tokens: int
    cache: cache.Cache


class Stream:
    """Answers one robot's observations in the order in which they are made."""

    def __init__(self, policy: StreamingPolicy) -> None:
        self._policy = policy
        self._transform = policy.run.transform
        self._history = self._nothing()

    def act(self, observation: Observation, executed: Float[np.ndarray, "stride A"] | None = None) -> ActionChunk:
        """The chunk for this observation; `executed` are the layout.stride actions carried out since the last one.

        Another instruction clears the history, and so does `executed=None`. Raises DataError for a wrong robot,
        camera, picture, state or number of executed actions; the stream is then as it was before.
        """
        history = self._to_continue(observation, executed)
        observations = (*history.observations, observation)
        between = (*history.executed, executed) if history.observations and executed is not None else ()
        document = self._transform.prompt(observations, between)
        actions, after = self._append(document, history)
        self._history = _History(observations, between, len(document.tokens), after)
        return self._transform.chunk(actions)

    def _to_continue(self, observation: Observation, executed: Float[np.ndarray, "stride A"] | None) -> _History:
        """The history to append to: all of it, its newest T // 2 observations if it is full, or nothing."""
        seen = self._history.observations
        if executed is None or (seen and seen[-1].instruction != observation.instruction):
            return self._nothing()
        if not seen:
            raise DataError("executed: the stream has no observation yet; leave it out at the first one")
        window = self._transform.layout.window
        if len(seen) < window:
            return self._history
        first = window - window // 2
        return self._nothing()._replace(observations=seen[first:], executed=self._history.executed[first:])

    def _nothing(self) -> _History:
        return _History((), (), 0, self._policy.empty())

    def _append(self, document: Document, history: _History) -> tuple[Float[np.ndarray, "W A"], cache.Cache]:
        fresh = tail(document, history.tokens)
        new = len(fresh.tokens)
        layout = replace(
            self._transform.layout,
            length=new if history.tokens else bucket(new, self._transform.layout.length),
            max_images=len(fresh.images),
            max_control_steps=len(fresh.states),
        )
        batch = collate([[fresh]], layout)
        actions, after = self._policy.observe(self._policy.params, batch, history.cache)
        return np.asarray(actions)[0], after


def tail(document: Document, start: int) -> Document:
    """The tokens from `start` on, and the pictures, states and readouts among them."""
    images, states = document.image_starts >= start, document.state_positions >= start
    return Document(
        tokens=document.tokens[start:],
        loss_weights=document.loss_weights[start:],
        images=document.images[images],
        image_starts=document.image_starts[images] - start,
        states=document.states[states],
        state_positions=document.state_positions[states] - start,
        actions=document.actions[states],
        action_mask=document.action_mask[states],
        readout_positions=document.readout_positions[states] - start,
    )
