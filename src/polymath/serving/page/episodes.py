"""Recorded episodes: their pictures, what was carried out, and what the policy would have done."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from polymath.errors import DataError
from polymath.serving.page.answers import Asking, history
from polymath.serving.page.pictures import MEAN, Gaze, camera_picture
from polymath.serving.page.recordings import Recordings, fitting
from polymath.serving.page.replies import Missing, as_json, body_of, fields_of, instruction_of, number_in
from polymath.serving.page.status import described
from polymath.serving.page.thread import Thread
from polymath.serving.service import Served, Service
from polymath.types import Observation

AT_ONCE = 100


class Episodes:
    """The handlers of /api/episodes/…; `recordings` None: there are none."""

    def __init__(
        self, service: Service, recordings: Recordings | None, asking: Asking, gaze: Gaze, thread: Thread
    ) -> None:
        self._service, self._recordings = service, recordings
        self._asking, self._gaze, self._thread = asking, gaze, thread

    async def listed(self, request: Request) -> Response:
        recordings = self._there()
        start = number_in(request.query_params.get("start", "0"), "start")
        rows = await self._thread.run(lambda: recordings.listed(start, AT_ONCE))
        return as_json({"name": recordings.name, "total": len(recordings), "episodes": rows})

    async def one(self, request: Request) -> Response:
        recordings, served, index = self._chosen(request)
        recording = await self._thread.run(lambda: recordings.recording(index))
        return as_json(
            described(served)
            | {
                "index": index,
                "name": recording.name,
                "instruction": recording.instruction,
                "task": recording.task,
                "steps": len(recording.actions),
                "actions": recording.actions,
            }
        )

    async def camera(self, request: Request) -> Response:
        recordings, served, index = self._chosen(request)
        step, camera = self._place(request.path_params)
        cameras = served.policy.run.embodiment.cameras
        picture = await self._thread.run(lambda: camera_picture(_seen(recordings, index, step), cameras, camera))
        return Response(picture, media_type="image/jpeg")

    async def attention(self, request: Request) -> Response:
        recordings, served, index = self._chosen(request)
        step, camera = self._place(request.path_params)
        latent = request.query_params.get("latent", MEAN)
        key = (served.name, "episode", index, step)

        def picture() -> bytes:
            return self._gaze.picture(served.policy, _seen(recordings, index, step), key, camera, latent)

        return Response(await self._thread.run(picture), media_type="image/jpeg")

    async def predict(self, request: Request) -> Response:
        recordings, served, index = self._chosen(request)
        body = await body_of(request)
        fields_of(body, ("step", "instruction"))
        step, instruction = body.get("step"), instruction_of(body)
        if type(step) is not int:
            raise DataError(f"step: a {type(step).__name__}; send the number of a control step")

        def shown() -> tuple[list[Observation], list[Any]]:
            steps, executed = history(served, recordings.recording(index), step)
            return recordings.observations(index, steps), executed

        observations, executed = await self._thread.run(shown)
        answer = await self._asking.after(served, observations, executed, instruction)
        return as_json({"step": step, "chunk": answer.chunk.actions, "infer_ms": answer.infer_ms})

    def _there(self) -> Recordings:
        if self._recordings is None:
            raise Missing("episodes: none are served; start the server with --episodes DIR")
        return self._recordings

    def _chosen(self, request: Request) -> tuple[Recordings, Served, int]:
        recordings = self._there()
        index = number_in(request.path_params["episode"], "episode")
        if index >= len(recordings):
            raise Missing(f"episode {index}: there are 0 to {len(recordings) - 1}")
        models = self._service.models
        name = fitting(recordings, {name: served.policy.run.embodiment for name, served in models.items()})
        return recordings, models[name], index

    def _place(self, path: Mapping[str, str]) -> tuple[int, int]:
        return number_in(path["step"], "step"), number_in(path["camera"], "camera")


def _seen(recordings: Recordings, index: int, step: int) -> Observation:
    return recordings.observations(index, [step])[0]
