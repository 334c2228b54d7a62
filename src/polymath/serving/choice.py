"""Which of the served models a client is given."""

from collections.abc import Mapping
from typing import Protocol, TypeVar

from polymath.errors import ConfigError, did_you_mean


class Model(Protocol):
    """`run`: what the run of several robots is called, of which the model is one; else empty."""

    @property
    def name(self) -> str: ...

    @property
    def run(self) -> str: ...


Chosen = TypeVar("Chosen", bound=Model)


def chosen(models: Mapping[str, Chosen], name: str | None) -> Chosen:
    """The model of that name, the first one unless named.

    Raises ConfigError for an unknown one, and for none of several robots where the first run drives them.
    """
    first = next(iter(models.values()))
    if first.run and name in (None, first.run):
        addresses = " or ".join(f"/{model.name}" for model in models.values() if model.run == first.run)
        raise ConfigError(f"model {first.run!r}: drives several robots; name yours in the address, as {addresses}")
    name = first.name if name is None else name
    if name not in models:
        raise ConfigError(f"model {name[:80]!r}: is not served here; {did_you_mean(name, models)}")
    return models[name]
