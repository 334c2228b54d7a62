"""Health, latency, models and sessions, as one JSON object."""

import time
from importlib.metadata import version
from typing import Any

from polymath.serving.page.recorder import PEER, Recorder
from polymath.serving.page.recordings import Recordings
from polymath.serving.service import Served, Service

LONGEST_TEXT = 300  # characters of an instruction in the table


class Status:
    """What GET /api/status answers."""

    def __init__(self, service: Service, recorder: Recorder, recordings: Recordings | None) -> None:
        self._service, self._recorder, self._recordings = service, recorder, recordings
        self._begin = time.monotonic()
        self._version = version("polymath-v")

    def as_dict(self) -> dict[str, Any]:
        service, recordings = self._service, self._recordings
        return {
            "version": self._version,
            "state": service.state,
            "uptime_s": round(time.monotonic() - self._begin, 1),
            "models": [_model(served) for served in service.models.values()],
            "latency": self._recorder.latency(),
            "waiting": service.batcher.waiting,
            "sessions": self._sessions(),
            "episodes": None if recordings is None else {"name": recordings.name, "count": len(recordings)},
        }

    def _sessions(self) -> list[dict[str, Any]]:
        now = self._service.clock()
        rows = []
        for connection in list(self._service.connections):
            moment = self._recorder.moments.get(connection)
            if moment is None or connection.peer == PEER:
                continue
            rows.append(
                {
                    "id": moment.number,
                    "peer": connection.peer,
                    "model": connection.served.name,
                    "instruction": moment.instruction[:LONGEST_TEXT],
                    "turns": moment.turns,
                    "shown": moment.observation is not None,
                    "idle_s": round(max(now - moment.when, 0.0), 1),
                }
            )
        return sorted(rows, key=lambda row: row["id"])


def described(served: Served) -> dict[str, Any]:
    """The names that belong to a model's pictures and actions, and how many latents look at a picture."""
    robot, conventions = served.policy.run.embodiment, served.policy.run.embodiment.conventions
    return {
        "cameras": list(robot.cameras),
        "names": list(robot.action_names),
        "units": list(conventions.action_units) if conventions else ["?"] * robot.action_dim,
        "rate": robot.control_hz,
        "latents": served.policy.run.recipe.model.resampler.latents,
    }


def _model(served: Served) -> dict[str, Any]:
    robot = served.policy.run.embodiment
    chunk = served.policy.run.recipe.layout.chunk_length
    return {"name": served.name, "robot": robot.name, "chunk": chunk, **described(served)}
