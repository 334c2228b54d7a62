"""Weights that cannot fit on the device are refused before they are read."""

import jax
import pytest

from polymath.errors import ConfigError
from polymath.policy import Policy
from polymath.serving.memory import WeightBytes, check_memory, device_limit, weight_bytes


@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), (None, 4)])
def test_bytes_are_those_of_the_loaded_weights(dtype: str, size: int, policies: dict[str, Policy]) -> None:
    policy = policies["plain"]
    weights = jax.tree.leaves(policy.params)
    assert weight_bytes(policy.run, dtype).held == size * sum(weight.size for weight in weights)
    assert weight_bytes(policy.run, dtype).loading == 4 * max(weight.size for weight in weights)


def test_fewer_bytes_are_held_in_bf16(policies: dict[str, Policy]) -> None:
    run = policies["plain"].run
    assert weight_bytes(run, "bf16").held < weight_bytes(run, "float32").held


def test_what_does_not_fit_is_one_line_with_both_sides() -> None:
    needs = {"a": WeightBytes(59_700_000_000, 6_500_000_000), "b": WeightBytes(11_100_000_000, 3_200_000_000)}
    check_memory(needs, None)
    check_memory(needs, 77_300_000_000)
    with pytest.raises(ConfigError, match=r"a 59.70 GB, b 11.10 GB, and 77.30 GB in all .* has 77.20 GB; choose"):
        check_memory(needs, 77_200_000_000)


def test_a_processor_does_not_say_what_it_has() -> None:
    assert device_limit() is None or device_limit() > 0
