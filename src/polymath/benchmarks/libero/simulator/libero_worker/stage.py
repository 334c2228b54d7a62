"""One task's environment: official starts, control steps, and the moment that a policy sees.

A start is that of the community's evaluations (openvla, openpi): `env.seed(0)`, then for every episode `env.reset()`,
`set_init_state(states[k])` and ten steps that keep the gripper open. What is easily missed:

- `set_init_state` leaves fixtures (cabinet, stove, rack) where `env.reset()` drew them, a centimetre or two apart from
  one reset to the next. Episode k here has the draw of the (k+1)-th reset after `env.seed(0)`, whatever ran before, so
  it is the k-th episode of the official loop in any order.
- robosuite samples its observations inside of a control step, not at its end: pictures and state are a simulation step
  or two (2 to 4 ms) old. Here the moment is copied when robosuite samples, and drawn only if somebody looks.
- `env.reset()` builds the model anew, for seconds. Here the simulation alone is reset, to the same numbers.
"""

import contextlib
import io
from typing import Any, List, Tuple

import mujoco
import numpy as np

from .suites import Problem

SETTLING_STEPS = 10
SETTLING_ACTION = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0)
PLACEMENT_SEED = 0
ACTION_WIDTH = 7
OBSERVED = ("robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos")


class Stage:
    """The environment of one problem. `moment` is the MjData that the policy sees, `site_rgba` the colours with it."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.env = _build(problem.bddl)
        self.domain = self.env.env
        self._observe_only_what_is_needed()
        self.model = self.domain.sim.model._model
        self.moment = mujoco.MjData(self.model)
        self._pristine = {name: getattr(self.model, name).copy() for name in ("body_pos", "body_quat", "site_rgba")}
        self.site_rgba = self._pristine["site_rgba"].copy()
        self._samplers = list(self.domain.object_property_initializers)
        self._draws = [(self._seeded(PLACEMENT_SEED), 2)]
        self._fixtures = [self.model.body(body.root_body).id for body in self.domain.fixtures_dict.values()]
        self._forget_where_fixtures_were_built()

    def start(self, index: int) -> None:
        """Begin at official initial state `index`. Raises ValueError if there is no such state."""
        states = self.problem.initial_states
        if not 0 <= index < len(states):
            raise ValueError(
                f"seed {index}: {self.problem.task} has the official initial states 0 to {len(states) - 1}"
            )
        while len(self._draws) <= index:
            self._draws.append(self._draw(*self._draws[-1]))
        self._draw(*self._draws[index])
        self._settle(states[index])

    def start_at(self, initial: np.ndarray) -> None:
        """Begin at `initial` of `initial_of_draw`: time, qpos, qvel, then position and quaternion of each fixture.

        Raises ValueError for a vector of another length.
        """
        count = 1 + self.model.nq + self.model.nv
        expected = count + 7 * len(self._fixtures)
        if initial.shape != (expected,):
            raise ValueError(f"initial: {initial.size} numbers, {self.problem.task} needs {expected}")
        self._draw(self._seeded(PLACEMENT_SEED), 1)
        poses = initial[count:].reshape(-1, 7)
        self.model.body_pos[self._fixtures], self.model.body_quat[self._fixtures] = poses[:, :3], poses[:, 3:]
        self._settle(initial[:count])

    def initial_of_draw(self, seed: int) -> np.ndarray:
        """A start that `env.reset()` draws after `env.seed(seed)`, for `start_at`; none of the official ones."""
        self._draw(self._seeded(seed), 1)
        poses = np.concatenate([self.model.body_pos[self._fixtures], self.model.body_quat[self._fixtures]], axis=1)
        return np.concatenate([self.domain.sim.get_state().flatten(), poses.ravel()])

    def step(self, action: np.ndarray) -> bool:
        """One control step of 50 ms. Returns the suite's own success. Raises ValueError for an unusable action."""
        action = np.asarray(action, np.float64)
        if action.shape != (ACTION_WIDTH,) or not np.isfinite(action).all():
            raise ValueError(f"action {action}: LIBERO takes 7 finite numbers")
        self._observations, _, success, _ = self.env.step(action)
        return bool(success)

    @property
    def state(self) -> np.ndarray:
        """float32 [8]: end effector's x, y, z [m] and axis-angle [rad], the two fingers' positions [m]."""
        position, quaternion, fingers = (self._observations[name] for name in OBSERVED)
        return np.concatenate([position, axis_angle(quaternion), fingers]).astype(np.float32)

    def close(self) -> None:
        self.env.close()

    def _settle(self, state: np.ndarray) -> None:
        self.env.set_init_state(state)
        for _ in range(SETTLING_STEPS):
            self.step(np.array(SETTLING_ACTION))

    @staticmethod
    def _seeded(seed: int) -> Any:
        np.random.seed(seed)
        return np.random.get_state()

    def _draw(self, generator: Any, times: int) -> Tuple[Any, int]:
        """What `env.reset()` does, without building the model anew; returns the arguments of the next one.

        `times` is how often the environment was built: every time LIBERO appends the samplers of drawers and knobs once
        more to a list that it never empties, and each of them takes a random number.
        """
        from robosuite.utils.errors import RandomizationError

        np.random.set_state(generator)
        while True:
            try:
                self._reset(times)
                return np.random.get_state(), times + 1
            except RandomizationError:  # objects that found no place: LIBERO draws again, on a new environment
                times += 1

    def _reset(self, times: int) -> None:
        domain = self.domain
        for name, values in self._pristine.items():
            getattr(self.model, name)[:] = values
        for robot in domain.robots:
            robot.gripper.current_action = np.zeros(robot.gripper.dof)
        domain.sim.reset()
        domain.sim.forward()
        domain.object_property_initializers = self._samplers * times
        domain._reset_internal()
        domain.sim.forward()
        domain.visualize(vis_settings={name: False for name in domain._visualizations})
        domain._get_observations(force_update=True)

    def _forget_where_fixtures_were_built(self) -> None:
        """Give the fixtures the poses of their files, which a model built anew has.

        What lies on them is drawn relative to where they are before, and building the environment already moved them.
        """
        for body, fixture in zip(self._fixtures, self.domain.fixtures_dict.values()):
            for name, attribute, unmoved in (("body_pos", "pos", "0 0 0"), ("body_quat", "quat", "1 0 0 0")):
                text = fixture.get_obj().attrib.get(attribute, unmoved)
                self._pristine[name][body] = np.array(text.split(), np.float64)

    def _observe_only_what_is_needed(self) -> None:
        from robosuite.utils.observables import Observable, sensor

        domain = self.domain
        for name in list(domain._observables):
            if name not in OBSERVED:
                domain.modify_observable(name, "enabled", False)

        @sensor(modality="moment")
        def moment(_: Any) -> float:
            if hasattr(self, "moment"):
                mujoco.mj_copyData(self.moment, self.model, domain.sim.data._data)
                self.site_rgba[:] = self.model.site_rgba
            return 0.0

        domain.add_observable(Observable("moment", moment, sampling_rate=domain.control_freq))


def axis_angle(quaternion: np.ndarray) -> np.ndarray:
    """Rotation vector [3] of the quaternion x, y, z, w, in its own sign; robosuite's `quat2axisangle`."""
    w = min(1.0, max(-1.0, float(quaternion[3])))
    length = np.sqrt(1.0 - w * w)
    if np.isclose(length, 0.0, rtol=1e-9, atol=0.0):
        return np.zeros(3)
    return np.asarray(quaternion[:3]) * 2.0 * np.arccos(w) / length


def _build(bddl: str) -> Any:
    """LIBERO's environment without pictures. It fails now and then to place its objects at random: then once more."""
    from libero.libero.envs.env_wrapper import ControlEnv
    from robosuite.utils.errors import RandomizationError

    while True:
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                return ControlEnv(bddl_file_name=bddl, use_camera_obs=False, has_offscreen_renderer=False)
        except RandomizationError:
            continue


def fixtures(stage: Stage) -> List[str]:
    """Names of the fixtures in the order of `initial_of_draw`."""
    return list(stage.domain.fixtures_dict)
