"""What a policy would do: at a step of a recording, or at a robot's newest observation with other words.

The page asks as a robot does, through the service, so that its questions share passes with those of the robots. They
never reach a robot, and take no session away from one: where every session is in use, the page is told to wait.
"""

import asyncio
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from polymath.errors import DataError
from polymath.serving.page.recorder import PEER
from polymath.serving.page.recordings import Recording
from polymath.serving.service import Answer, Served, Service
from polymath.serving.sessions import Overloaded
from polymath.types import Observation

MOST_WAITING = 8


class Asking:
    """One question at a time, a few that wait."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def once(self, served: Served, observation: Observation, instruction: str | None) -> Answer:
        """The answer to an observation as the first of an episode. Raises what `Connection.act` raises."""
        return await self.after(served, [observation], [], instruction)

    async def after(
        self,
        served: Served,
        observations: list[Observation],
        executed: list[Float[np.ndarray, "stride A"]],
        instruction: str | None,
    ) -> Answer:
        """The answer to the last observation of an episode that began with the first of them.

        `executed[i]` was carried out between observations i and i + 1. Raises Overloaded where the robots need all.
        """
        if self._waiting >= MOST_WAITING:
            raise Overloaded(f"{self._waiting} questions of pages wait already; ask again in a moment")
        self._waiting += 1
        try:
            async with self._turn:
                sessions = self._service.sessions[served.name]
                sessions.evict_idle()
                if len(sessions) >= self._service.limits.sessions:
                    raise Overloaded("every session is a robot's; the page can ask again when one has gone")
                connection = await self._service.connect(served.name, None, PEER)
                try:
                    for i, observation in enumerate(observations):
                        if instruction is not None:
                            observation = replace(observation, instruction=instruction)
                        answer = await connection.act(observation, executed[i - 1] if i else None)
                    return answer
                finally:
                    await connection.close()
        finally:
            self._waiting -= 1


def history(served: Served, recording: Recording, step: int) -> tuple[list[int], list[Float[np.ndarray, "stride A"]]]:
    """The steps of a recording that a policy with a history is shown before it answers `step`, that one included.

    They stand `layout.stride` apart, `layout.window` at most; with the actions between them. Raises DataError for a
    step that there is not.
    """
    layout = served.policy.run.recipe.layout
    if not 0 <= step < len(recording.actions):
        raise DataError(f"step {step}: the episode has steps 0 to {len(recording.actions) - 1}")
    before = min(layout.window - 1, step // layout.stride)
    steps = [step - layout.stride * back for back in range(before, -1, -1)]
    return steps, [recording.actions[each : each + layout.stride] for each in steps[:-1]]
