"""The files beside an exported run's weights that LeRobot reads; what it runs them with is the package
lerobot_policy_polymath_v.

DIR/config.json                 LeRobot's: type "polymath_v", features, how many actions of a chunk are executed
DIR/polymath_v.json             ours: what `config.json` is in a directory for Hugging Face (`exported.Exported`)
DIR/policy_preprocessor.json    rename, add the batch's axis, device: nothing is normalised here, …
DIR/policy_postprocessor.json   … nor here: the run's own statistics do it, once, inside the policy

Field names and file names are those of lerobot 0.6.1 (`PreTrainedConfig`, `PolicyProcessorPipeline.save_pretrained`).
"""

from typing import Any

from polymath.policy.session import BATCH
from polymath.training.recipe import Recipe
from polymath.types import Embodiment

TYPE = "polymath_v"
DESCRIPTION, PREPROCESSOR = "polymath_v.json", "policy_preprocessor.json"
IMAGE, STATE, ACTION = "observation.images.", "observation.state", "action"
EXECUTED = 2
"""Actions of each chunk that are executed where the run has no history, as in `polymath eval`."""


def files(robot: Embodiment, recipe: Recipe) -> dict[str, dict[str, Any]]:
    """File name -> its JSON content, for the run of that robot and recipe."""
    return {
        "config.json": config(robot, recipe),
        PREPROCESSOR: _pipeline("policy_preprocessor", _rename(), _step("to_batch_processor"), _device()),
        "policy_postprocessor.json": _pipeline("policy_postprocessor", _device()),
    }


def config(robot: Embodiment, recipe: Recipe) -> dict[str, Any]:
    """LeRobot's description of the policy. Pictures have the size of the training; the policy fits others to it."""
    layout = recipe.layout
    picture = {"type": "VISUAL", "shape": [3, layout.image_size, layout.image_size]}
    return {
        "type": TYPE,
        "n_obs_steps": 1,
        "input_features": {
            **{f"{IMAGE}{camera}": picture for camera in robot.cameras},
            STATE: {"type": "STATE", "shape": [robot.state_dim]},
        },
        "output_features": {ACTION: {"type": "ACTION", "shape": [robot.action_dim]}},
        "normalization_mapping": {kind: "IDENTITY" for kind in ("VISUAL", "STATE", "ACTION")},
        "device": "cpu",
        "chunk_size": layout.chunk_length,
        "n_action_steps": layout.stride if layout.window > 1 else min(EXECUTED, layout.chunk_length),
        "action_feature_names": list(robot.action_names),
        "batch": BATCH,
    }


def _pipeline(name: str, *steps: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "steps": list(steps)}


def _step(name: str, **settings: Any) -> dict[str, Any]:
    return {"registry_name": name, "config": settings}


def _rename() -> dict[str, Any]:
    return _step("rename_observations_processor", rename_map={})


def _device() -> dict[str, Any]:
    return _step("device_processor", device="cpu", float_dtype=None)
