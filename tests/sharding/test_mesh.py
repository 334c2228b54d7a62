"""How the axis `data` follows a torus, and what a mesh that does not fit the devices gets."""

import math
from types import SimpleNamespace

import jax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymath.errors import ConfigError
from polymath.sharding import mesh


@pytest.mark.parametrize(
    ("shape", "extents", "split"),
    [
        ((1, 512, 1), (8, 8, 8), (8, 8, 8)),
        ((1, 128, 4), (8, 8, 8), (8, 8, 2)),
        ((1, 64, 8), (8, 8, 8), (8, 8)),
        ((2, 256, 1), (8, 8, 8), (4, 8, 8)),
        ((1, 8, 1), None, (2, 2, 2)),
        ((1, 12, 1), None, (3, 2, 2)),
        ((1, 1, 1), None, (1,)),
    ],
)
def test_data_takes_the_rings_that_replica_and_model_leave(
    shape: tuple[int, int, int], extents: tuple[int, ...] | None, split: tuple[int, ...]
) -> None:
    assert mesh.data_split(mesh.Config(*shape), extents) == split


@given(st.integers(1, 10_000))
def test_the_factors_multiply_to_the_number(number: int) -> None:
    assert math.prod(mesh.prime_factors(number)) == number


def test_the_torus_is_read_from_the_coordinates() -> None:
    devices = [SimpleNamespace(coords=(x, y, 0)) for y in range(4) for x in range(2)]
    assert mesh.torus(devices) == (2, 4, 1)
    assert mesh.torus(jax.devices()) is None


def test_a_mesh_that_does_not_fill_the_devices_is_refused_with_one_that_does() -> None:
    count = len(jax.devices())
    with pytest.raises(ConfigError, match=rf"needs {count + 1} devices, but there are {count}.*mesh\.data={count}"):
        mesh.build(mesh.Config(data=count + 1))


@pytest.mark.parametrize("numbers", [{"data": 0}, {"replica": 3, "slices": 2}])
def test_impossible_numbers_are_refused(numbers: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=r"at least 1 and mesh\.replica a multiple of mesh\.slices"):
        mesh.Config(**numbers)
