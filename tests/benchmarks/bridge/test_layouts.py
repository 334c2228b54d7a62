"""Demonstrations never start where the benchmark does."""

import numpy as np
import pytest
from bridge_worker import layouts
from bridge_worker.tasks import EGGPLANT, TASKS
from hypothesis import given
from hypothesis import strategies as st

STACK = "widowx_stack_cube"


@given(seed=st.integers(0, 2**32 - 1))
def test_a_layout_is_a_function_of_its_seed_and_keeps_the_objects_apart(seed: int) -> None:
    layout = layouts.drawn(STACK, seed)
    np.testing.assert_array_equal(layout, layouts.drawn(STACK, seed))
    source, target = layout[:2], layout[2:4]
    assert np.linalg.norm(source - target) >= layouts.APART
    assert np.abs(np.stack([source, target]) - layouts.CENTRE).max() <= layouts.HALF_EDGE


def test_layouts_differ_between_seeds_and_tasks() -> None:
    assert len({layouts.drawn(task, seed).tobytes() for task in TASKS for seed in range(200)}) == 200 * len(TASKS)


def test_half_of_the_sources_are_turned_nearly_by_quarters_as_the_official_ones_are() -> None:
    yaws = np.array([layouts.drawn(STACK, seed)[4] for seed in range(400)])
    from_quarter = np.abs((yaws + np.pi / 4) % (np.pi / 2) - np.pi / 4)
    near = (from_quarter <= layouts.NEAR_QUARTER).mean()
    anywhere = layouts.NEAR_QUARTER / (np.pi / 4)  # of those that are drawn from the whole circle
    assert near == pytest.approx(0.5 + 0.5 * anywhere, abs=0.08)


def test_the_eggplant_lies_in_the_sink_around_its_official_places() -> None:
    for seed in range(50):
        layout = layouts.drawn(EGGPLANT, seed)
        assert (np.abs(layout[:2] - layouts.SINK_SOURCE) <= layouts.SINK_HALF_EDGE).all()
        assert np.array_equal(layout[2:4], layouts.SINK_TARGET)


def test_an_environment_takes_positions_and_quaternions() -> None:
    positions, quaternions = layouts.configurations(np.array([1, 2, 3, 4, np.pi / 2, 0.0]))
    np.testing.assert_array_equal(positions[0], [[1, 2], [3, 4]])
    np.testing.assert_allclose(quaternions[0], [[np.sqrt(0.5), 0, 0, np.sqrt(0.5)], [1, 0, 0, 0]], atol=1e-12)


@pytest.mark.parametrize("initial", [np.zeros(5), np.full(6, np.nan), np.zeros((1, 6))])
def test_another_vector_is_no_layout(initial: np.ndarray) -> None:
    with pytest.raises(ValueError, match="6 finite numbers"):
        layouts.configurations(initial)


def test_horizons_are_those_of_the_official_scripts() -> None:
    assert {name: task.horizon for name, task in TASKS.items()} == {
        "widowx_spoon_on_towel": 60,
        "widowx_carrot_on_plate": 60,
        "widowx_stack_cube": 60,
        "widowx_put_eggplant_in_basket": 120,
    }
