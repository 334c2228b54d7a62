"""What decides the contents of a prepared data set; `--set filter.min_side=64` changes one field."""

from dataclasses import dataclass, field

from polymath.data.robots.relative import ActionForm, Representation
from polymath.data.robots.scaling import Normalization
from polymath.errors import ConfigError


@dataclass(frozen=True)
class Filter:
    """Bounds of what is kept. `languages`: ISO 639-1 codes of captions to keep; empty keeps all, without detection.

    `max_same_caption`, `max_same_picture`: how often a caption, or a picture up to small changes, may occur in a
    source; a pair whose picture and caption both occurred before is always dropped. 0 sets no bound.
    """

    min_side: int = 32  # pixels
    max_aspect: float = 4.0  # longer side by shorter side
    min_characters: int = 2
    max_characters: int = 4_000
    languages: tuple[str, ...] = ()
    max_same_caption: int = 0
    max_same_picture: int = 0
    min_steps: int = 2  # control steps of an episode
    max_steps: int = 20_000


@dataclass(frozen=True)
class Settings:
    """`pairs_per_shard` and `episodes_per_shard` are also the unit of work: after a kill, unfinished units restart."""

    filter: Filter = field(default_factory=Filter)
    jpeg_quality: int = 95
    pairs_per_shard: int = 8_192
    episodes_per_shard: int = 128
    max_bad_share: float = 0.05  # of the rows of a source; more stops the job
    seed: int = 0  # of the order inside a shard
    action_normalization: Normalization = "quantiles"  # of robots' actions, see `data.robots.scaling`
    action_representation: Representation = "recorded"  # see `data.robots.relative`
    absolute_actions: tuple[str, ...] = ()  # that stay absolute among deltas, beside the grippers

    def __post_init__(self) -> None:
        for name in ("pairs_per_shard", "episodes_per_shard"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: must be at least 1, is {getattr(self, name)}")
        if not 1 <= self.jpeg_quality <= 100:
            raise ConfigError(f"jpeg_quality: must be 1 to 100, is {self.jpeg_quality}")
        if not 0 <= self.max_bad_share <= 1:
            raise ConfigError(f"max_bad_share: must be 0 to 1, is {self.max_bad_share}")
        self.form(1)

    def form(self, chunk_length: int) -> ActionForm:
        """The form of actions in chunks of so many control steps."""
        return ActionForm(self.action_representation, self.absolute_actions, chunk_length)
