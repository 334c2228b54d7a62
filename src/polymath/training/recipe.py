"""A recipe: everything that decides a training run, in one frozen value that is stored beside its checkpoints.

`polymath.presets` holds named recipes; `--set a.b=c` changes one field of one of them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from polymath import config
from polymath.data.robots.relative import ActionForm, Representation
from polymath.data.robots.scaling import Normalization
from polymath.data.sequences.augment import Augmentation
from polymath.data.sequences.sequence import Layout
from polymath.data.sequences.transforms import Ablation
from polymath.errors import ConfigError
from polymath.model import polymath_v
from polymath.model.execution import Execution
from polymath.sharding import mesh as meshes
from polymath.training import losses, optimizer
from polymath.training.held_out import NOTHING
from polymath.training.held_out import Config as HeldOut


@dataclass(frozen=True)
class Phase:
    """One training phase over a mixture: `pairs`, `pointing` and `robot` are shares of the rows, 0 leaves a kind out.

    Pointing documents are made of those pairs that carry the places of things as numbers. `committed` is the largest
    number of a chunk's first actions that a training window gives instead of regressing them (real-time chunking).
    """

    steps: int
    rows: int  # packed sequences of a batch
    pairs: float
    robot: float
    optimizer: optimizer.Config
    pointing: float = 0.0
    loss: losses.Config = field(default_factory=losses.Config)
    length: int | None = None  # S of this phase; None: the layout's
    max_images: int | None = None  # N of this phase; None: the layout's
    max_control_steps: int | None = None  # M of this phase; None: the layout's
    committed: int = 0
    checkpoint_every: int = 1_000  # steps
    checkpoint_minutes: float | None = None  # at the latest after so much time, beside checkpoint_every
    checkpoint_keep: int = 2  # the newest ones that stay on disk, beside the best on held-out episodes
    log_every: int = 10

    def __post_init__(self) -> None:
        for name in ("steps", "rows", "checkpoint_every", "checkpoint_keep", "log_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: {getattr(self, name)}; it must be 1 or more; --phases leaves a phase out")
        if self.checkpoint_minutes is not None and not 0 < self.checkpoint_minutes < math.inf:
            raise ConfigError(f"checkpoint_minutes: {self.checkpoint_minutes}; give minutes above 0, or null for none")
        for name in ("pairs", "pointing", "robot"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name}: {getattr(self, name)} is no share of the rows; it must be 0 or more")
        if self.committed < 0:
            raise ConfigError(f"committed: {self.committed}; it must be 0 or more actions")
        if self.committed and not self.robot:
            raise ConfigError(f"committed: {self.committed}, but the phase has no robot rows; leave it at 0")

    def with_steps(self, steps: int) -> "Phase":
        """The phase with another number of steps; warm-up and cool-down keep their shares of it."""
        schedule = replace(
            self.optimizer,
            warmup_steps=scaled(self.optimizer.warmup_steps, self.steps, steps),
            cooldown_steps=scaled(self.optimizer.cooldown_steps, self.steps, steps),
        )
        return replace(self, steps=steps, optimizer=schedule)


def scaled(part: int, before: int, after: int) -> int:
    """`part` of `before` steps as the same share of `after` steps; what is not 0 stays at least 1."""
    return max(1, round(part * after / before)) if part else 0


@dataclass(frozen=True)
class Recipe:
    """`alignment` trains on image-text pairs, `robot` fine-tunes on trajectories (mixed with pairs).

    held_out: episodes of raw sets that are not trained on, to measure on.
    action_normalization: how the robot's actions are scaled, see `data.robots.scaling`.
    action_representation: "recorded", as they are; "absolute", the same, but a set of deltas is refused; "delta",
    absolute ones as differences from the state at the first step of their chunk, see `data.robots.relative`.
    absolute_actions: names of action dimensions that stay absolute among deltas, beside the grippers.
    allow_untrained: a phase may freeze weights that were drawn at random and that nothing has trained.
    chunk_seconds: how long a chunk lasts where the data are a raw set of episodes alone; the robot's rate then gives
    `layout.chunk_length`. None: `layout.chunk_length` control steps, whatever the rate.
    """

    name: str
    purpose: str
    model: polymath_v.Config
    layout: Layout
    control_tokens: int  # size of the reserved block inside the vocabulary
    alignment: Phase
    robot: Phase
    execution: Execution = field(default_factory=Execution)
    mesh: meshes.Config = field(default_factory=meshes.Config)
    augmentation: Augmentation = field(default_factory=Augmentation)
    ablation: Ablation = field(default_factory=Ablation)
    held_out: HeldOut = field(default_factory=HeldOut)
    action_normalization: Normalization = "quantiles"
    action_representation: Representation = "recorded"
    absolute_actions: tuple[str, ...] = ()
    seed: int = 0
    allow_untrained: bool = False
    chunk_seconds: float | None = None

    @classmethod
    def upgrade(cls, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """A file's fields; a run of an older version trained on all its episodes. Called by `config.from_dict`."""
        return {"held_out": config.to_dict(NOTHING), **fields}

    def __post_init__(self) -> None:
        model, layout = self.model, self.layout
        for name, ours, theirs in (
            ("layout.latents_per_image", layout.latents_per_image, model.resampler.latents),
            ("layout.image_size", layout.image_size, model.vit.image_size),
            ("layout.state_dim", layout.state_dim, model.state_dim),
            ("layout.action_dim", layout.action_dim, model.action_head.action_dim),
            ("model.resampler.width", model.resampler.width, model.vit.width),
            ("model.action_head.width", model.action_head.width, model.decoder.width),
        ):
            if ours != theirs:
                raise ConfigError(f"{name}: {ours}, but the rest of recipe {self.name!r} needs {theirs}; set both")
        if self.chunk_seconds is not None and not 0 < self.chunk_seconds < math.inf:
            raise ConfigError(f"chunk_seconds: {self.chunk_seconds}; give seconds above 0, or null for chunk_length")
        _ = self.action_form
        self._commit()

    @property
    def action_form(self) -> ActionForm:
        """In which form the model is given the actions. Raises ConfigError for fields that contradict each other."""
        return ActionForm(self.action_representation, self.absolute_actions, self.layout.chunk_length)

    def _commit(self) -> None:
        """Check the phases' `committed`; the model takes committed actions where a phase gives some."""
        layout, most = self.layout, max(phase.committed for phase in (self.alignment, self.robot))
        for name in PHASES:
            committed = self.phase(name).committed
            if committed >= layout.chunk_length:
                raise ConfigError(
                    f"{name}.committed: {committed} actions are given, but a chunk has {layout.chunk_length} "
                    "(layout.chunk_length) and some must be left to regress; lower one or raise the other"
                )
            if layout.window > 1 and committed > layout.stride:
                raise ConfigError(
                    f"{name}.committed: {committed} actions are given, but the next observation of the window is only "
                    f"{layout.stride} actions later (layout.stride), so they would show its answer; lower committed or "
                    "raise layout.stride"
                )
        if self.model.committed and not most:
            raise ConfigError(
                "model.committed: true, but no phase gives actions; set robot.committed above 0, or model.committed to "
                "false"
            )
        if most and not self.model.committed:
            object.__setattr__(self, "model", replace(self.model, committed=True))

    def phase(self, name: str) -> Phase:
        return {"alignment": self.alignment, "robot": self.robot}[name]

    def phase_layout(self, name: str) -> Layout:
        """The layout of a phase's rows."""
        layout, phase = self.layout, self.phase(name)
        return replace(
            layout,
            length=phase.length or layout.length,
            max_images=phase.max_images or layout.max_images,
            max_control_steps=phase.max_control_steps or layout.max_control_steps,
        )

    def with_phase(self, name: str, phase: Phase) -> "Recipe":
        """The recipe with another phase of that name."""
        return replace(self, **{name: phase})  # type: ignore[arg-type]


PHASES = ("alignment", "robot")
