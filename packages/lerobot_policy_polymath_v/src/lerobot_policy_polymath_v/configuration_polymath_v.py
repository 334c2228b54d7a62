"""The policy type "polymath_v": what `polymath export --format lerobot` writes into config.json."""

from dataclasses import dataclass, field

from lerobot.configs import FeatureType, NormalizationMode, PreTrainedConfig
from lerobot.utils.constants import ACTION, OBS_STATE

from polymath.errors import ConfigError

IMAGE = "observation.images."
TRAINED_ELSEWHERE = "polymath_v: LeRobot evaluates it; train with `polymath train`, then `polymath export`"


@PreTrainedConfig.register_subclass("polymath_v")
@dataclass
class PolymathVConfig(PreTrainedConfig):
    """n_action_steps: actions of each chunk that are executed before the policy is asked again.

    chunk_size            actions of a chunk; the checkpoint's, for information
    action_feature_names  the checkpoint's, in the order of its vector; lerobot-rollout maps them onto the robot's
    batch                 rows of a forward pass; 8 as in `polymath eval`, which gives the same bits, 1 for one robot
    server                ws://HOST:PORT of `polymath serve` or of another server that `polymath eval --policy` takes,
                          instead of --policy.path; then n_action_steps is what is executed of its chunks
    """

    chunk_size: int = 0
    n_action_steps: int = 2
    action_feature_names: list[str] | None = None
    batch: int = 8
    server: str = ""
    # Nothing is normalised outside: the run's own transform does it, inside the policy.
    normalization_mapping: dict[str, NormalizationMode] = field(
        default_factory=lambda: dict.fromkeys(("VISUAL", "STATE", "ACTION"), NormalizationMode.IDENTITY)
    )

    def __post_init__(self) -> None:
        self.device = self.device or "cpu"  # of the tensors that LeRobot hands over; JAX places the model's itself
        super().__post_init__()

    @property
    def observation_delta_indices(self) -> None:
        return None

    @property
    def action_delta_indices(self) -> list[int]:
        return list(range(self.chunk_size))

    @property
    def reward_delta_indices(self) -> None:
        return None

    def get_optimizer_preset(self):
        """Raises ConfigError: LeRobot does not train it."""
        raise ConfigError(TRAINED_ELSEWHERE)

    def get_scheduler_preset(self) -> None:
        return None

    def validate_features(self) -> None:
        """Raise ValueError for features that no run of ours has, and for settings that cannot be run."""
        if any(
            NormalizationMode(mode) is not NormalizationMode.IDENTITY for mode in self.normalization_mapping.values()
        ):
            raise ValueError(
                f"normalization_mapping {self.normalization_mapping}: must be IDENTITY throughout, for the run's own "
                "statistics normalise inside the policy; leave it out"
            )
        for name in ("n_action_steps", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)}: choose a whole number of at least 1")
        if self.use_peft or self.n_obs_steps != 1:
            raise ValueError(
                f"use_peft {self.use_peft}, n_obs_steps {self.n_obs_steps}: leave them out; adapters are merged by "
                "`polymath export --adapters merged`, and a run remembers its observations itself"
            )
        for name, feature in (self.input_features or {}).items():
            if feature.type is FeatureType.VISUAL and not name.startswith(IMAGE):
                raise ValueError(f"input_features {name!r}: pictures are named {IMAGE}CAMERA; rename it (--rename_map)")
            if feature.type is FeatureType.STATE and name != OBS_STATE:
                raise ValueError(f"input_features {name!r}: the state is named {OBS_STATE}; rename it (--rename_map)")
        for name in self.output_features or {}:
            if name != ACTION:
                raise ValueError(f"output_features {name!r}: the policy answers {ACTION} alone")
