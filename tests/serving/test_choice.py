"""Which model a client is given, where a run of several robots is served."""

from dataclasses import dataclass

import pytest

from polymath.errors import ConfigError
from polymath.serving.choice import chosen


@dataclass(frozen=True)
class Named:
    name: str
    run: str = ""


def test_a_run_of_one_robot_is_the_default() -> None:
    models = {model.name: model for model in (Named("a"), Named("b-arm", "b"), Named("b-leg", "b"))}
    assert chosen(models, None).name == "a"
    assert chosen(models, "b-leg").name == "b-leg"
    with pytest.raises(ConfigError, match="model 'c': is not served here"):
        chosen(models, "c")


def test_of_several_robots_a_client_names_its_own() -> None:
    models = {model.name: model for model in (Named("b-arm", "b"), Named("b-leg", "b"))}
    for name in (None, "b"):
        with pytest.raises(ConfigError, match=r"model 'b': drives several robots; name yours .* /b-arm or /b-leg"):
            chosen(models, name)
    assert chosen(models, "b-arm").name == "b-arm"
