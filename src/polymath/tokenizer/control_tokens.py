"""The control-token block: `size` ids of every vocabulary, which text can never produce.

    place     0     1     2     3     4        5..15   16..47         48..63  64..127       128..255  256..511    512..
    name      <pad> <bos> <eos> <img> <state>  spare   <robot:0..31>  spare   <act:0..63>   spare     <a:0..255>  spare

An id is `first` + place. In our own vocabularies the block comes first, in a public model's it follows the last row of
the model's embeddings (`polymath.tokenizer.public`); such a model's own begin and end of a text are taken where it has
them, and <bos> and <eos> of the block are then unused.

The places are the same at every size (512 at demo size, 4,096 beside 256,000 entries), so that a model moves from
one to the other by copying rows. Actions are 256 uniform bins over [-1, 1] of the normalised action, after RT-2
(Brohan et al. 2023, section 3.2).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from polymath.errors import ConfigError, DataError

ROBOT_SLOTS = 32
ACTION_BINS = 256
FIRST_ROBOT = 16
READOUTS = 64
FIRST_READOUT = 64
FIRST_ACTION = 256
SMALLEST_BLOCK = 512


@dataclass(frozen=True)
class ControlTokens:
    """The block of `size` control tokens; `size` is a power of two of at least 512, else ConfigError.

    first: the id of <pad>. own_bos, own_eos: the ids of a public model's own begin and end of a text.
    """

    size: int
    first: int = 0
    own_bos: int | None = None
    own_eos: int | None = None

    def __post_init__(self) -> None:
        if self.size < SMALLEST_BLOCK or self.size & (self.size - 1):
            raise ConfigError(
                f"control_tokens.size: {self.size} is not a power of two of at least {SMALLEST_BLOCK}; "
                "choose 512 at demo size, 4096 beside 256,000 entries"
            )

    @property
    def ids(self) -> range:
        """All ids of the block."""
        return range(self.first, self.first + self.size)

    @property
    def pad(self) -> int:
        return self.first

    @property
    def bos(self) -> int:
        return self.first + 1 if self.own_bos is None else self.own_bos

    @property
    def eos(self) -> int:
        return self.first + 2 if self.own_eos is None else self.own_eos

    @property
    def img(self) -> int:
        return self.first + 3

    @property
    def state(self) -> int:
        return self.first + 4

    @property
    def readouts(self) -> range:
        return self.ids[FIRST_READOUT : FIRST_READOUT + READOUTS]

    @property
    def actions(self) -> range:
        return self.ids[FIRST_ACTION : FIRST_ACTION + ACTION_BINS]

    def robot(self, slot: int) -> int:
        """The id of `<robot:slot>`; ConfigError outside 0..31."""
        if not 0 <= slot < ROBOT_SLOTS:
            raise ConfigError(f"embodiment.slot: {slot} is outside 0..{ROBOT_SLOTS - 1}; choose a free slot")
        return self.first + FIRST_ROBOT + slot

    def names(self) -> list[str]:
        """The `size` names in the order of their ids.

        Each name ends in a letter or digit followed by `>`. The pre-tokeniser of `bpe` never puts those two into one
        word, so no merge of text can ever spell a control token.
        """
        names = [f"<spare:{i}>" for i in range(self.size)]
        names[:5] = ["<pad>", "<bos>", "<eos>", "<img>", "<state>"]
        names[FIRST_ROBOT : FIRST_ROBOT + ROBOT_SLOTS] = [f"<robot:{i}>" for i in range(ROBOT_SLOTS)]
        names[FIRST_READOUT : FIRST_READOUT + READOUTS] = [f"<act:{i}>" for i in range(READOUTS)]
        names[FIRST_ACTION : FIRST_ACTION + ACTION_BINS] = [f"<a:{i}>" for i in range(ACTION_BINS)]
        return names

    def encode_actions(self, actions: Float[np.ndarray, "..."]) -> Int[np.ndarray, "..."]:
        """Normalised actions -> int32 ids of the same shape; values outside [-1, 1] go to the outermost bins.

        Raises DataError for NaN and infinity.
        """
        if not np.isfinite(actions).all():
            raise DataError("action: holds NaN or infinity; repair or drop the episode before tokenising it")
        bins = np.floor((np.asarray(actions, np.float64) + 1.0) * (ACTION_BINS / 2))
        return self.actions.start + np.clip(bins, 0, ACTION_BINS - 1).astype(np.int32)

    def decode_actions(self, ids: Int[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Ids of action tokens -> float32 bin centres; the error is at most 1/256. DataError for any other id."""
        bins = np.asarray(ids) - self.actions.start
        if bins.size and (bins.min() < 0 or bins.max() >= ACTION_BINS):
            raise DataError(f"action tokens: ids must lie in {self.actions}; constrain the decoding to that range")
        return ((bins + 0.5) * (2 / ACTION_BINS) - 1.0).astype(np.float32)
