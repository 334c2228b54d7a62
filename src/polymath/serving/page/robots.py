"""Robots at work: their newest answers, what their cameras see, and what the policy would do with other words."""

from starlette.requests import Request
from starlette.responses import Response

from polymath.serving.page.answers import Asking
from polymath.serving.page.pictures import MEAN, Gaze, camera_picture
from polymath.serving.page.recorder import Moment, Recorder
from polymath.serving.page.replies import Missing, as_json, body_of, fields_of, instruction_of, number_in
from polymath.serving.page.status import described
from polymath.serving.page.thread import Thread
from polymath.serving.service import Connection
from polymath.types import Observation


class Robots:
    """The handlers of /api/sessions/…; each raises Missing for a robot that has gone, or was not looked at yet."""

    def __init__(self, recorder: Recorder, asking: Asking, gaze: Gaze, thread: Thread) -> None:
        self._recorder, self._asking, self._gaze, self._thread = recorder, asking, gaze, thread

    async def newest(self, request: Request) -> Response:
        connection, moment, _ = self._find(request)
        return as_json(
            described(connection.served)
            | {
                "turn": moment.turns,
                "instruction": moment.instruction,
                "now": moment.now,
                "executed": list(moment.executed),
                "chunk": moment.chunk,
            }
        )

    async def camera(self, request: Request) -> Response:
        connection, _, observation = self._find(request)
        camera = number_in(request.path_params["camera"], "camera")
        cameras = connection.served.policy.run.embodiment.cameras
        picture = await self._thread.run(lambda: camera_picture(observation, cameras, camera))
        return Response(picture, media_type="image/jpeg")

    async def attention(self, request: Request) -> Response:
        connection, moment, observation = self._find(request)
        camera = number_in(request.path_params["camera"], "camera")
        latent = request.query_params.get("latent", MEAN)
        key = (connection.served.name, "robot", moment.number, moment.turns)
        policy = connection.served.policy
        picture = await self._thread.run(lambda: self._gaze.picture(policy, observation, key, camera, latent))
        return Response(picture, media_type="image/jpeg")

    async def predict(self, request: Request) -> Response:
        connection, moment, observation = self._find(request)
        body = await body_of(request)
        fields_of(body, ("instruction",))
        turn = moment.turns
        answer = await self._asking.once(connection.served, observation, instruction_of(body))
        return as_json({"turn": turn, "chunk": answer.chunk.actions, "infer_ms": answer.infer_ms})

    def _find(self, request: Request) -> tuple[Connection, Moment, Observation]:
        number = number_in(request.path_params["session"], "session")
        match = self._recorder.find(number)
        if match is None:
            raise Missing(f"session {number}: is not connected")
        connection, moment = match
        if moment.observation is None:
            raise Missing(f"session {number}: has answered nothing since this page looks; wait for its next answer")
        return connection, moment, moment.observation
