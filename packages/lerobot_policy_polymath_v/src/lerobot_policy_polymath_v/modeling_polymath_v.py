"""A run of Polymath-V under LeRobot's interface: its JAX policy in this very process, or one behind a server.

    LeRobot's batch, torch                         Observation, numpy
    observation.images.CAMERA float [B, 3, h, w]   images[CAMERA] uint8 [h, w, 3]
    observation.state         float [B, S]         state float32 [S]
    task                      B strings            instruction

Queues, sessions and what was executed are those of `polymath.policy.stepper.Stepper`, so that an episode under
lerobot-eval has the actions that it has under `polymath eval`.
"""

import shutil
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lerobot.policies.pretrained import PreTrainedPolicy
from lerobot.utils.constants import ACTION, OBS_STATE
from torch import Tensor

from lerobot_policy_polymath_v.configuration_polymath_v import IMAGE, TRAINED_ELSEWHERE, PolymathVConfig
from lerobot_policy_polymath_v.sources import Source, of_directory, of_server
from polymath.errors import ConfigError, DataError
from polymath.policy.hub import fetch
from polymath.policy.stepper import Stepper
from polymath.types import Embodiment, Observation


class PolymathVPolicy(PreTrainedPolicy):
    """Holds no torch weights; `.to(device)` moves nothing, for JAX has placed the weights already."""

    config_class = PolymathVConfig
    name = "polymath_v"

    def __init__(self, config: PolymathVConfig, directory: Path | None = None, **_: Any) -> None:
        """Raises ValueError without a directory and a server, DataError for features that are not the checkpoint's."""
        super().__init__(config)
        config.validate_features()
        if directory is None and not config.server:
            raise ValueError(
                "polymath_v has no weights to begin with: name --policy.path=DIR, which `polymath export RUN --format "
                "lerobot --out DIR` writes, or --policy.type=polymath_v --policy.server=ws://HOST:PORT"
            )
        self.directory = directory
        self.source: Source = of_server(config.server) if config.server else of_directory(Path(str(directory)), config)
        self.robot = self.source.contract.embodiment
        _check_features(config, self.robot, self.source.name)
        _check_executed(config.n_action_steps, self.source)
        self._rows = threading.local()  # lerobot-eval may run several tasks at once, each in a thread of its own
        self._one_at_a_time = threading.Lock()

    @classmethod
    def from_pretrained(
        cls, pretrained_name_or_path: str | Path, *, config: Any = None, **options: Any
    ) -> "PolymathVPolicy":
        """The exported directory, or ORG/NAME on the Hub, of which the whole snapshot is fetched."""
        directory = fetch(str(pretrained_name_or_path), options.get("revision"))
        config = config or PolymathVConfig.from_pretrained(directory)
        return cls(config, directory).eval()

    def reset(self) -> None:
        """Episodes begin: sessions are opened anew at the next observations."""
        self._stepper.reset()

    def select_action(self, batch: dict[str, Any], **_: Any) -> Tensor:
        """The next action of each row, float32 [B, A], in the robot's own units."""
        with self._one_at_a_time:
            return torch.from_numpy(self._stepper.actions(observations(batch, self.robot)))

    def predict_action_chunk(self, batch: dict[str, Any], **_: Any) -> Tensor:
        """Whole chunks, float32 [B, W, A], for observations without a history."""
        with self._one_at_a_time:
            return torch.from_numpy(self._stepper.chunks(observations(batch, self.robot)))

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict | None]:
        """Raises ConfigError: LeRobot does not train it."""
        raise ConfigError(TRAINED_ELSEWHERE)

    def get_optim_params(self) -> dict:
        return {}

    def _save_pretrained(self, save_directory: Path, state_dict: dict[str, Tensor] | None = None) -> None:
        """The exported directory's own files, with this configuration. Raises ValueError for a server's policy."""
        if self.directory is None:
            raise ValueError(f"{self.config.server}: the weights are the server's; export them where the run is")
        for file in self.directory.iterdir():
            if file.is_file():
                shutil.copyfile(file, save_directory / file.name)
        self.config._save_pretrained(save_directory)

    @property
    def _stepper(self) -> Stepper:
        if not hasattr(self._rows, "stepper"):
            self._rows.stepper = Stepper(self.source.policy, self.config.n_action_steps)
        return self._rows.stepper


def observations(batch: Mapping[str, Any], robot: Embodiment) -> list[Observation]:
    """One of each row. Raises DataError, both sides printed, for what is not the checkpoint's camera set or state."""
    cameras = sorted(name.removeprefix(IMAGE) for name in batch if name.startswith(IMAGE))
    if missing := [camera for camera in robot.cameras if camera not in cameras]:
        others = ", ".join(sorted(name for name in batch if name.startswith("observation."))) or "no observations"
        rename = f'--rename_map=\'{{"observation.X": "{IMAGE}{missing[0]}"}}\''
        raise DataError(
            f"{IMAGE}{missing[0]}: missing; the environment has {others}, the checkpoint needs the cameras "
            f"{', '.join(robot.cameras)}; rename them: {rename}"
        )
    state = batch.get(OBS_STATE)
    shape = None if state is None else tuple(state.shape)
    if shape is None or len(shape) != 2 or shape[1] != robot.state_dim:
        raise DataError(
            f"{OBS_STATE}: the environment has {'none' if shape is None else list(shape)}, the checkpoint needs "
            f"[rows, {robot.state_dim}]: {', '.join(robot.state_names)}; evaluate it on its own robot"
        )
    tasks = batch.get("task")
    tasks = [tasks] * len(state) if isinstance(tasks, str) else tasks
    if not isinstance(tasks, list | tuple) or len(tasks) != len(state):
        raise DataError(f"task: {tasks!r} for {len(state)} rows; the environment must have task_description")
    pictures = {camera: _pictures(batch[IMAGE + camera], IMAGE + camera, len(state)) for camera in robot.cameras}
    states = state.detach().to("cpu", torch.float32).numpy()
    return [
        Observation({camera: rows[i] for camera, rows in pictures.items()}, states[i], str(tasks[i]), robot.name)
        for i in range(len(states))
    ]


def _pictures(images: Tensor, name: str, count: int) -> np.ndarray:
    """uint8 [B, h, w, 3]: the very bytes that LeRobot divided by 255."""
    if images.ndim != 4 or tuple(images.shape[:2]) != (count, 3):
        raise DataError(f"{name}: shape {list(images.shape)}, the checkpoint needs [{count}, 3, height, width]")
    rows = images.detach().to("cpu").permute(0, 2, 3, 1)
    if rows.dtype is torch.uint8:
        return rows.contiguous().numpy()
    scaled = rows.to(torch.float32).mul(255).round()
    if not bool(((scaled >= 0) & (scaled <= 255)).all()):
        raise DataError(
            f"{name}: values from {rows.min():g} to {rows.max():g}, the checkpoint needs 0 to 1 (or uint8); it holds "
            "NaN, or is normalised already: use the processors of the exported directory"
        )
    return scaled.to(torch.uint8).contiguous().numpy()


def _check_features(config: PolymathVConfig, robot: Embodiment, checkpoint: str) -> None:
    """Raise DataError, with both sides, unless the features of the environment or data set are the checkpoint's."""
    action = (config.output_features or {}).get(ACTION)
    if action is not None and tuple(action.shape) != (robot.action_dim,):
        raise DataError(
            f"{ACTION}: the environment takes {list(action.shape)}, {checkpoint} answers [{robot.action_dim}]: "
            f"{', '.join(robot.action_names)}; evaluate it on its own robot"
        )
    names = config.action_feature_names
    if names is not None and tuple(names) != robot.action_names:
        raise DataError(
            f"{ACTION}: the data set names {', '.join(names)}, {checkpoint} answers {', '.join(robot.action_names)}; "
            "use data of its own robot, or rename the features"
        )
    state = (config.input_features or {}).get(OBS_STATE)
    if state is not None and tuple(state.shape) != (robot.state_dim,):
        raise DataError(
            f"{OBS_STATE}: the environment or configuration has {list(state.shape)}, {checkpoint} reads "
            f"[{robot.state_dim}]: {', '.join(robot.state_names)}; evaluate it on its own robot"
        )
    cameras = [name.removeprefix(IMAGE) for name in config.image_features]
    if cameras and not set(robot.cameras) <= set(cameras):
        raise DataError(
            f"{IMAGE}*: the environment or configuration has {', '.join(cameras)}, {checkpoint} sees "
            f"{', '.join(robot.cameras)}; rename them (--rename_map), or export the run again"
        )


def _check_executed(executed: int, source: Source) -> None:
    """Raise ConfigError for more actions than a chunk has, or than lay between the observations of a history."""
    contract = source.contract
    if executed > contract.chunk:
        raise ConfigError(
            f"--policy.n_action_steps={executed}: {source.name} answers chunks of {contract.chunk}; choose 1 to "
            f"{contract.chunk}"
        )
    if contract.execute not in (None, executed):
        raise ConfigError(
            f"--policy.n_action_steps={executed}: {source.name} was trained with {contract.execute} actions between "
            f"the observations of its history; choose {contract.execute}"
        )
