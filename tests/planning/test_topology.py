"""Topologies against hand counts of links; chip numbers against the makers' tables."""

import math

import pytest

from polymath.errors import ConfigError
from polymath.planning.chips import CHIPS, chip
from polymath.planning.topology import Mesh, bandwidths, factorisations, parse, parse_mesh, reduction_bandwidth


def test_every_chip_states_its_sources() -> None:
    assert all(chip.sources and all(chip.sources) for chip in CHIPS.values())
    cards = {"a100", "a100_40gb", "rtx3090", "rtx4090", "rtx5090", "l40s"}
    assert set(CHIPS) == {"v4", "v5e", "v5p", "v6e", "h100", "h200", "b200", *cards, "cpu"}


def test_chips_against_the_makers_tables() -> None:
    """ICI of a chip in total, both ways: v5e 400 GB/s, v6e 800 GB/s over 4 ports (Cloud TPU documentation)."""
    for name, total in (("v5e", 400e9), ("v6e", 800e9)):
        assert 2 * chip(name).axes * 2 * chip(name).link == pytest.approx(total, rel=0.11)
    assert chip("v4").peak == 275e12
    assert chip("h100").peak / chip("h100").bandwidth == pytest.approx(295, abs=1)  # FLOPs a byte, a known ridge


@pytest.mark.parametrize(
    ("text", "devices"), [("v4:8x8x8", 512), ("2*v4:12x16x16", 6144), ("H100:4x8", 32), ("cpu:8", 8)]
)
def test_topologies_are_read(text: str, devices: int) -> None:
    topology = parse(text)
    assert topology.devices == devices
    assert topology.name == text.lower()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("v7:2x2", "no chip 'v7'"),
        ("v5pp:2x2x2", "did you mean v5p?"),
        ("v4:8x8", "torus of 3 axes"),
        ("v4", "write CHIP:SIZES"),
        ("v4:0x8x8", "at least 1"),
        ("h100:16", "at most 8 a node"),
    ],
)
def test_unknown_topologies_list_the_known(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(text)
    assert message in str(error.value)


def along(topology: str, *mesh: int) -> tuple[float, float, float]:
    rates = bandwidths(parse(topology), Mesh(*mesh))
    return rates["replica"], rates["data"], rates["model"]


def test_bandwidth_of_mesh_axes_on_the_torus() -> None:
    """By hand: a ring has 2 links a chip, a part of an axis is a line with 1; v4 links are 45 GB/s one way."""
    link = 45e9
    assert along("v4:8x8x8", 1, 512, 1) == (math.inf, 6 * link, math.inf)
    assert along("v4:8x8x8", 1, 64, 8) == (math.inf, 4 * link, 2 * link)
    assert along("v4:8x8x8", 1, 128, 4) == (math.inf, 5 * link, link)
    assert along("v4:8x8x8", 8, 8, 8) == (2 * link, 2 * link, 2 * link)
    assert along("v4:2x2x1", 1, 4, 1) == (math.inf, 2 * link, math.inf), "no rings below 4 chips"


def test_bandwidth_across_slices_and_nodes() -> None:
    """25 GB/s a v4 host of 4 chips; eight 50 GB/s ports a node, which together carry less than one NVLink port."""
    assert along("2*v4:12x16x16", 2, 256, 12) == (6.25e9, 180e9, 90e9)
    assert along("h100:4x8", 1, 32, 1) == (math.inf, 400e9, math.inf)
    assert along("h100:8", 1, 8, 1) == (math.inf, 450e9, math.inf)
    assert along("h100:4x8", 1, 4, 8) == (math.inf, 50e9, 450e9)


def test_bandwidth_of_reductions() -> None:
    assert reduction_bandwidth(parse("v4:8x8x8"), Mesh(1, 512, 1), 2) == 4 * 45e9
    assert reduction_bandwidth(parse("v4:8x8x8"), Mesh(8, 8, 8), 2) == 2 * 45e9
    assert reduction_bandwidth(parse("h100:8"), Mesh(1, 8, 1), 2) == 450e9


def test_meshes_are_read() -> None:
    topology = parse("v4:8x8x8")
    assert parse_mesh("1,512,1", topology) == parse_mesh("[1, -1, 1]", topology) == Mesh(1, 512, 1)
    for text, message in (
        ("1,2", "write replica,data,model"),
        ("1,500,1", "makes 500 devices, but v4:8x8x8 has 512"),
        ("1,-1,3", "makes"),
    ):
        with pytest.raises(ConfigError, match=message):
            parse_mesh(text, topology)
    with pytest.raises(ConfigError, match="must be a multiple of 2"):
        parse_mesh("1,512,1", parse("2*v4:4x8x8"))


def test_meshes_to_search() -> None:
    assert [str(mesh) for mesh in factorisations(parse("v4:8x8x8"))] == [
        "[1, 512, 1]",
        "[1, 256, 2]",
        "[1, 128, 4]",
        "[1, 64, 8]",
        "[1, 32, 16]",
    ]
