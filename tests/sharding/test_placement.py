"""Where weights go: the golden table of every preset, Pax' canonical rules, and axes that do not divide."""

from dataclasses import replace
from pathlib import Path

import pytest
from jax.sharding import AbstractMesh
from jax.sharding import PartitionSpec as P

from polymath.errors import ConfigError
from polymath.model import polymath_v
from polymath.presets import PRESETS
from polymath.sharding import mesh
from polymath.sharding.placement import Partitioner
from polymath.sharding.rules import TABLE, Row
from polymath.sharding.table import abstract_partitioner, sharding_table
from polymath.specs import Normal, Spec

GOLDEN = Path(__file__).parent.parent / "golden" / "sharding"
TORUS = (8, 8, 8)
# Each preset on the machine that its purpose names, and the reference on its two tested 2D meshes.
CASES = {
    "demo-1x8x1": ("demo", mesh.Config(data=8), None),
    "calvin-1x8x1": ("calvin", mesh.Config(data=8), None),
    "libero-1x8x1": ("libero", mesh.Config(data=8), None),
    "bridge-1x8x1": ("bridge", mesh.Config(data=8), None),
    "tiny-2x4x1": ("tiny", mesh.Config(replica=2, data=4), None),
    "polymath_v_600m-1x8x1": ("polymath_v_600m", mesh.Config(data=8), None),
    "polymath_v_2b-1x8x1": ("polymath_v_2b", mesh.Config(data=8), None),
    "polymath_v_200m-1x8x1": ("polymath_v_200m", mesh.Config(data=8), None),
    "polymath_v_1b-1x8x1": ("polymath_v_1b", mesh.Config(data=8), None),
    "polymath_v_8b-1x64x1": ("polymath_v_8b", mesh.Config(data=64), (4, 4, 4)),
    "polymath_v_30b-1x512x1": ("polymath_v_30b", mesh.Config(data=512), TORUS),
    "polymath_v_30b-1x128x4-pax_2d": ("polymath_v_30b", mesh.Config(data=128, model=4, rules="pax_2d"), TORUS),
    "polymath_v_30b-1x64x8-small_batch": ("polymath_v_30b", mesh.Config(data=64, model=8, rules="small_batch"), TORUS),
    "polymath_v_30b-1x1x8-decode": ("polymath_v_30b", mesh.Config(model=8, rules="decode"), None),
}


def table(case: str) -> str:
    name, config, extents = CASES[case]
    return sharding_table(polymath_v.specs(PRESETS[name].model), abstract_partitioner(config, extents))


@pytest.mark.parametrize("case", CASES)
def test_the_sharding_table_is_the_golden_one(case: str) -> None:
    """Write a changed table with: PYTHONPATH=. python tests/sharding/test_placement.py"""
    assert table(case) == (GOLDEN / f"{case}.txt").read_text()


def test_every_preset_has_a_golden_table() -> None:
    assert {name for name, _, _ in CASES.values()} >= set(PRESETS) - {"point"}


def test_pax_2d_is_the_table_of_set_sharding_params_v1() -> None:
    """praxis/layers/transformer_models.py: w_df (data, mdl), w_dnh (data, mdl, -), w_vd (mdl, data), stored D last."""
    on = abstract_partitioner(mesh.Config(data=8, model=4, rules="pax_2d"), None)
    data = ("data_0", "data_1", "data_2")
    assert on.place("w_df", Spec((256, 512), ("mlp", "embed"), Normal(1))) == P("model", data)
    assert on.place("w_dnh", Spec((8, 64, 512), ("heads", "head_width", "embed"), Normal(1))) == P("model", None, data)
    assert on.place("w_vd", Spec((4096, 512), ("vocab", "embed"), Normal(1))) == P("model", data)
    assert on.table["batch"] == data  # a_bld, rows over (replica, data)
    assert on.residual == (None, None, "model")


def test_what_heads_cannot_take_goes_to_their_width() -> None:
    on = abstract_partitioner(mesh.Config(data=512), TORUS)
    query = Spec((64, 128, 7168), ("heads", "head_width", "embed"), Normal(1))
    assert on.place("query", query) == P(("data_0", "data_1"), "data_2", None)


def test_an_axis_that_does_not_divide_over_model_is_an_error_with_the_remedy() -> None:
    model = replace(PRESETS["tiny"].model, decoder=replace(PRESETS["tiny"].model.decoder, mlp=258))
    on = abstract_partitioner(mesh.Config(model=4, rules="pax_2d"), None)
    with pytest.raises(
        ConfigError, match=r"decoder\.blocks\.\w+: its axis '\w+' of \d+ does not divide over model = 4"
    ):
        on.specs(polymath_v.specs(model))
    with pytest.raises(ConfigError, match=r"'mlp' of 258 does not divide over model = 4; make it 256 or 260"):
        on.place("gate", Spec((258, 64), ("mlp", "embed"), Normal(1)))


def test_a_matrix_of_which_nothing_divides_over_data_is_an_error_with_the_remedy() -> None:
    on = abstract_partitioner(mesh.Config(data=7), None)
    with pytest.raises(ConfigError, match=r"gate: nothing of \[256, 64\] divides .*mlp = 256.*mesh\.data a power"):
        on.place("gate", Spec((256, 64), ("mlp", "embed"), Normal(1)))


def test_every_rule_names_axes_of_the_mesh() -> None:
    known = {"replica", "data", "model", "ring"}
    assert all(set(axes) <= known for row in TABLE.values() for axes in row)
    assert set(Row._fields) == {"fsdp", "pax_2d", "small_batch", "decode"}
    assert isinstance(abstract_partitioner(mesh.Config(data=2), None), Partitioner)


if __name__ == "__main__":
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for case in CASES:
        (GOLDEN / f"{case}.txt").write_text(table(case))


def test_the_page_follows_the_gate_of_the_reference_model_with_its_true_sizes() -> None:
    page = (Path(__file__).parents[2] / "docs" / "sharding.md").read_text()
    gate = polymath_v.specs(PRESETS["polymath_v_30b"].model).decoder.blocks.gate
    chips = AbstractMesh((1, 8, 8, 8, 1), ("replica", "data_0", "data_1", "data_2", "model"))
    assert Partitioner(chips).place("gate", gate) == P(None, ("data_0", "data_1", "data_2"), None)
    _, rows, width = gate.shape
    assert f"`[{rows}, {width}]`" in page
    assert f"{rows // 512} rows a chip" in page
    assert f"8 chunks of {rows // 8:,} rows" in page
