"""How far the planner is from published runs; and that no number of a row can bend the prediction towards it."""

from dataclasses import fields, replace

import pytest

from polymath.planning.calibration import ROWS, error, plan_of, predicted, summary
from polymath.planning.roofline import EFFICIENCIES
from polymath.planning.workload import Decoder

SIZES = {"22B": 22e9, "52B": 52e9, "32B": 32e9, "64B": 64e9, "128B": 128e9, "256B": 256e9, "512B": 512e9, "70B": 70e9}
SIZES |= {"1024B": 1024e9, "16B": 16e9, "540B": 540e9, "7B": 6.74e9}


def test_the_rows_are_the_published_models() -> None:
    """Each name's number of parameters, as its publisher rounds it."""
    for row in ROWS:
        (size,) = (value for word, value in SIZES.items() if word in row.name.replace(",", "").split())
        assert plan_of(row).workload.trainable == pytest.approx(size, rel=0.035), row.name


def test_error_bounds() -> None:
    errors = summary()
    assert abs(errors["mean"]) < 1.5
    assert errors["mean_absolute"] < 7.5
    assert errors["largest"] < 24
    assert errors["inside"] > 0.95
    alike = [error(row) for row in ROWS if row.name.startswith("MaxText") and "v4:" in row.topology]
    assert len(alike) == 6
    assert sum(map(abs, alike)) / 6 < 3, "weights sharded over data alone on v4, as in the reference run"


def test_nothing_is_fitted_to_a_row() -> None:
    """A row holds what was published; the decoder and the mesh hold sizes; the published MFU does not enter."""
    names = {field.name for field in fields(ROWS[0])}
    assert names == {"name", "decoder", "topology", "mesh", "sequences", "length", "remat", "mfu", "source"}
    assert {field.type for field in fields(Decoder)} <= {int, bool, "int", "bool", Decoder.__annotations__["attention"]}
    for row in ROWS:
        assert predicted(replace(row, mfu=1.0)) == predicted(row)
    assert len(EFFICIENCIES) == 3
