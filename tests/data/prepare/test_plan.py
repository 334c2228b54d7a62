"""Units of work by arithmetic: the same as the whole list, written out."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymath import config
from polymath.data.prepare.plan import Part, Plan, PlannedSource
from polymath.data.prepare.settings import Settings

from .conftest import LAYOUT


def plan(*sizes: tuple[int, int]) -> Plan:
    sources = tuple(PlannedSource(f"s{n}", f"{n:02d}-s", "pairs", rows, each) for n, (rows, each) in enumerate(sizes))
    return Plan(sources, LAYOUT, Settings(), "")


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 9)), min_size=1, max_size=5))
def test_parts_are_those_of_the_whole_list(sizes: list[tuple[int, int]]) -> None:
    whole = [
        Part(source, number, start, min(start + each, rows))
        for source, (rows, each) in enumerate(sizes)
        for number, start in enumerate(range(0, rows, each))
    ]
    planned = plan(*sizes)
    assert [planned.part(unit) for unit in range(planned.units)] == whole
    assert [part for source in range(len(sizes)) for part in planned.parts_of(source)] == whole
    for outside in (-1, planned.units):
        with pytest.raises(IndexError, match=f"unit {outside} of"):
            planned.part(outside)


def test_a_part_of_a_billion_rows_costs_no_list() -> None:
    """183,106 units; building the list for each of 10,000 took hours."""
    planned = plan((1_500_000_000, 8192))
    begin = time.process_time()
    parts = [planned.part(unit) for unit in range(0, planned.units, 18)]
    assert time.process_time() - begin < 5
    assert parts[-1].start == 18 * (len(parts) - 1) * 8192


def test_what_is_computed_from_a_plan_is_not_stored() -> None:
    planned = plan((10, 3))
    before = config.to_dict(planned)
    assert planned.units == 4
    assert config.to_dict(planned) == before
    assert config.from_dict(Plan, before) == planned
