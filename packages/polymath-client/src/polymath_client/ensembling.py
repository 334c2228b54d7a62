"""Temporal ensembling: the mean of all that was predicted for a moment."""

from typing import Any, List, Mapping, Optional, Union

import numpy as np

from polymath_client.checks import number
from polymath_client.inference import Background, Immediate
from polymath_client.requests import Chunk, Requests


class TemporalEnsembling:
    """Asks as often as it can and carries out the weighted mean of all chunks that cover the moment.

    Weights exp(-decay * i), i = 0 for the oldest chunk (Zhao et al. 2023, arXiv:2304.13705, section IV.C).
    """

    def __init__(self, inference: Union[Immediate, Background], decay: float = 0.01) -> None:
        """Raises ClientError for a decay that is no finite number of 0 or more."""
        self.requests = Requests(inference)
        self._decay = number("decay", decay, "give a finite number, 0 for equal weights", 0.0)
        self._chunks: List[Chunk] = []  # oldest first

    def step(self, observation: Mapping[str, Any]) -> Optional[np.ndarray]:
        """The action [A] of this control tick; None where no chunk covers it.

        Raises ServerError, ConnectionLost and ChunkError of the request before; the next call asks again.
        """
        self._take()
        if not self.requests.under_way:
            self.requests.ask(observation)
            self._take()
        position = self.requests.position
        predictions = [chunk.at(position) for chunk in self._chunks]
        covering = [action for action in predictions if action is not None]
        self._chunks = [chunk for chunk, action in zip(self._chunks, predictions) if action is not None]
        if not covering:
            return None
        weights = np.exp(-self._decay * np.arange(len(covering)))
        mean = np.average(np.stack(covering), axis=0, weights=weights).astype(np.float32)
        return self.requests.hand_out(mean)

    def reset(self) -> None:
        """A new episode begins with the next step."""
        self.requests.reset()
        self._chunks = []

    def _take(self) -> None:
        chunk = self.requests.answer()
        if chunk is not None:
            self._chunks.append(chunk)
