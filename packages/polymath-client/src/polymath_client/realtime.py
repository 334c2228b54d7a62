"""Real-time chunking: the next chunk continues what the arm does while it is computed.

    actions handed out   0 1 2 3 4 5 6 7 8 9 …
    chunk asked at 0     0 1 2 3 4 5 6 7
    chunk asked at 4             4 5 6 7 8 9 10 11      4 5 committed: the answer was expected after two actions,
                                     ^ it arrives here  begins with these two, and is taken from 6 on

Asked at position p with the old chunk a, the request commits a[p], …, a[p + d - 1], where d is the largest of the last
delays, and 1 at least, so that there is something to continue. The answer b has b[i] = a[p + i] there and was regressed
to continue them, so whenever it arrives after at most d actions nothing jumps. (Black et al. 2025, arXiv:2506.07339;
prefixes in training: arXiv:2512.05964.) A delay is the number of actions that were handed out between request and
answer, whatever the clock says.
"""

from collections import deque
from typing import Any, Deque, Mapping, Union

import numpy as np

from polymath_client.checks import whole
from polymath_client.errors import ContractError
from polymath_client.inference import Background, Immediate
from polymath_client.replay import ChunkReplay
from polymath_client.requests import Chunk

MEMORY = 10  # delays of which the largest is expected next


class RealTimeChunking(ChunkReplay):
    """As `ChunkReplay`, with committed actions in each request.

    It needs a run that was trained with `robot.committed` of at least `most_committed`.

    execute: actions of a chunk that are carried out before the next is asked for. most_committed: what the training
    gave at most; it is also expected of the first answer. A chunk must be at least twice as long as the delay, or the
    arm stops for want of actions.
    """

    def __init__(self, inference: Union[Immediate, Background], execute: int, most_committed: int) -> None:
        """Raises ClientError for an `execute` of less than one or a `most_committed` of less than none."""
        self._most = whole("most_committed", most_committed, 0, "it is 0 or more")
        super().__init__(inference, execute)
        self._committed, self.surprises = 0, 0
        self.delays: Deque[int] = deque([most_committed], maxlen=MEMORY)

    @classmethod
    def of(
        cls, contract: Mapping[str, Any], inference: Union[Immediate, Background], execute: int
    ) -> "RealTimeChunking":
        """With as many committed actions as the checkpoint's contract has it.

        Raises ContractError for a run that was trained without, and from a server that does not say.
        """
        most = contract.get("committed") if isinstance(contract, Mapping) else None
        if most is None:
            raise ContractError("contract.committed: the server does not say; name most_committed yourself")
        if most == 0:
            raise ContractError(
                "contract.committed: the run was trained without committed actions; train its robot phase with "
                "--set robot.committed=D, or use ChunkReplay or TemporalEnsembling"
            )
        return cls(inference, execute, most)

    def _ask(self, observation: Mapping[str, Any]) -> None:
        committed = self._expected()
        self._committed = len(committed)
        self.requests.ask(observation, committed if len(committed) else None)

    def _arrived(self, chunk: Chunk) -> None:
        self.surprises += self._chunk is not None and chunk.delay > self._committed
        self.delays.append(chunk.delay)
        super()._arrived(chunk)

    def _expected(self) -> np.ndarray:
        """The actions [d, A] that will be handed out before the answer can arrive, as far as they exist."""
        if self._chunk is None:
            return np.zeros((0, 0), np.float32)
        return self._chunk.rest(self.requests.position)[: min(max(1, *self.delays), self._most)]
