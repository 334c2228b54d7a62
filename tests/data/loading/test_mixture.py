"""The cycle is checked against its definition: shares of 840 rows, evenly spaced, every row of a source in turn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymath.data.loading.mixture import CYCLE, mix
from polymath.errors import ConfigError

WEIGHTS = st.lists(st.floats(0.1, 10.0), min_size=1, max_size=5)


@given(WEIGHTS)
def test_each_source_is_read_row_by_row(weights: list[float]) -> None:
    mixture = mix(weights)
    following = [0] * len(weights)
    for row in range(2 * CYCLE + 7):
        source, k = mixture.locate(row)
        assert k == following[source]
        following[source] += 1
    shares = np.array(weights) / sum(weights)
    np.testing.assert_allclose(mixture.counts / CYCLE, shares, atol=1 / CYCLE)


@given(WEIGHTS, st.integers(0, 5000))
def test_any_batch_holds_about_the_mixture(weights: list[float], first: int) -> None:
    mixture, rows = mix(weights), 32
    sources = [mixture.locate(first + i)[0] for i in range(rows)]
    for source, share in enumerate(mixture.counts / CYCLE):
        assert abs(sources.count(source) - share * rows) <= 2


def test_equal_weights_alternate() -> None:
    mixture = mix([1, 1])
    assert [mixture.locate(row)[0] for row in range(6)] == [0, 1, 0, 1, 0, 1]


def test_a_small_source_lengthens_the_cycle() -> None:
    """One row in 10,000 does not fit into 840: the cycle becomes the multiple of 840 that has room for it."""
    mixture = mix([9_999, 1])
    assert mixture.counts.tolist() == [10_079, 1]
    rows = [mixture.locate(row) for row in range(2 * 10_080)]
    assert [k for source, k in rows if source == 1] == [0, 1]


@pytest.mark.parametrize("weights", [[], [1.0, 0.0], [1.0, -1.0], [float("nan")], [1.0, 1e-7]])
def test_impossible_weights(weights: list[float]) -> None:
    with pytest.raises(ConfigError, match="mixture weights"):
        mix(weights)
