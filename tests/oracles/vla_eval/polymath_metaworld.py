"""The embedded simulator as a benchmark of vla-eval; runs in vla-eval's own environment, beside `polymath_worker`.

The simulator is the worker that `polymath eval metaworld` starts, spoken to over the worker protocol; vla-eval shows
its pictures to the server at every control step, executes one action, and counts the successes itself.
"""

import os
import subprocess
from typing import Any

import numpy as np
from vla_eval.benchmarks.base import StepBenchmark, StepResult
from vla_eval.specs import GRIPPER_CLOSE_POS, IMAGE_RGB, LANGUAGE, POSITION_DELTA, RAW

from polymath_worker import protocol


class PolymathMetaWorld(StepBenchmark):
    """`command` starts a worker with one slot; episode i of a task has the seed `first_seed + i`."""

    def __init__(self, command: list[str], split: str, tasks: list[str], first_seed: int) -> None:
        super().__init__()
        environment = {**os.environ, protocol.VERSION_VARIABLE: str(protocol.VERSION)}
        self._worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        self._hello = protocol.read_message(self._worker.stdout)
        assert isinstance(self._hello, protocol.Hello), self._hello
        self._split, self._tasks, self._first_seed = split, tasks, first_seed

    def get_tasks(self) -> list[dict[str, Any]]:
        return [{"name": task, "suite": self._split} for task in self._tasks]

    def reset(self, task: dict[str, Any]) -> protocol.State:
        return self._ask(protocol.Reset(0, task["name"], self._split, self._first_seed + task["episode_idx"]))

    def step(self, action: dict[str, Any]) -> StepResult:
        state = self._ask(protocol.Act(0, np.asarray(action["actions"], np.float32)[None]))
        self._recorder.record_step(done=state.done, success=state.success, action=action["actions"])
        return StepResult(obs=state, reward=float(state.success), done=state.done, info={})

    def make_obs(self, raw_obs: protocol.State, task: dict[str, Any]) -> dict[str, Any]:
        seen = raw_obs.observation
        return {"images": seen.images, "task_description": seen.instruction, "states": seen.state}

    def get_step_result(self, step_result: StepResult) -> dict[str, Any]:
        return {"success": step_result.obs.success}

    def get_metadata(self) -> dict[str, Any]:
        return {"max_steps": self._hello.max_steps}

    def get_action_spec(self) -> dict[str, Any]:
        return {"position": POSITION_DELTA, "gripper": GRIPPER_CLOSE_POS}

    def get_observation_spec(self) -> dict[str, Any]:
        return {**dict.fromkeys(self._hello.cameras, IMAGE_RGB), "state": RAW, "language": LANGUAGE}

    def cleanup(self) -> None:
        protocol.write_message(self._worker.stdin, protocol.Close())
        self._worker.wait(10)

    def _ask(self, request: Any) -> protocol.State:
        protocol.write_message(self._worker.stdin, request)
        reply = protocol.read_message(self._worker.stdout)
        assert isinstance(reply, protocol.State), reply
        return reply
