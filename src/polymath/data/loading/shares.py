"""How much a data set to train on counts, as options behind its name: `pairs?weight=3&loss_weight=0.5`.

weight        share of the rows beside the other sets of its kind (pairs, pointing, episodes); default 1
loss_weight   factor of its documents' loss weights; default 1
loss_per      token, or document: see `loss_weights`
"""

import math
from dataclasses import dataclass, fields
from typing import cast

from polymath.data.files.paths import place_and_query
from polymath.data.sequences.loss_weights import Per
from polymath.errors import ConfigError


@dataclass(frozen=True)
class Share:
    weight: float = 1.0
    loss_weight: float = 1.0
    loss_per: Per = "token"

    def __str__(self) -> str:
        return f"weight={self.weight:g}&loss_weight={self.loss_weight:g}&loss_per={self.loss_per}"


NAMES = tuple(field.name for field in fields(Share))


def split(name: str) -> tuple[str, Share]:
    """The name without these options, and their values. Raises ConfigError naming an option of another kind."""
    place, query = place_and_query(name)
    options = [option.partition("=")[::2] for option in query.split("&") if option]
    rest = "&".join(f"{key}={value}" for key, value in options if key not in NAMES)
    own = [(key, value) for key, value in options if key in NAMES]
    chosen = dict(own)
    if len(chosen) < len(own):
        raise ConfigError(f"{name}: {', '.join(NAMES)} are said once each; leave out what stands there twice")
    numbers = {key: _number(name, key, chosen[key]) for key in ("weight", "loss_weight") if key in chosen}
    per = chosen.get("loss_per", "token")
    if per not in ("token", "document"):
        raise ConfigError(f"{name}, loss_per: {per!r}; choose token or document")
    return f"{place}?{rest}" if rest else place, Share(**numbers, loss_per=cast(Per, per))


def _number(name: str, key: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(f"{name}, {key}: {text!r} is no positive number; leave a set out to skip it")
    return value
