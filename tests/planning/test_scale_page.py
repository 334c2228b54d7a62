"""docs/scale.md shows what the planner computes today."""

from pathlib import Path

from benchmarks.scale import calibration_table, days_table, plans_table, reference, searched

PAGE = (Path(__file__).parents[2] / "docs" / "scale.md").read_text()


def test_the_tables_of_the_page_are_current() -> None:
    assert "\n".join(calibration_table()) in PAGE
    assert "\n".join(days_table(reference(4))) in PAGE
    for images in (4, 39):
        assert "\n".join(plans_table(searched(images))) in PAGE
    assert "\n".join(plans_table(searched(4, "scatter"))) in PAGE
