"""Frozen dataclasses to JSON and back; expected values are written out by hand."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymath import config
from polymath.errors import ConfigError


@dataclass(frozen=True)
class Optimizer:
    peak: float = 2e-4
    warmup: int = 100
    clip: float | None = 1.0
    kind: Literal["adafactor", "adam"] = "adafactor"


@dataclass(frozen=True)
class Preset:
    name: str
    layers: int = 2
    packed: bool = True
    optimizer: Optimizer = field(default_factory=Optimizer)
    image: tuple[int, int] = (64, 64)
    mixture: tuple[Optimizer, ...] = ()
    weights: dict[str, float] = field(default_factory=dict)


presets = st.builds(
    Preset,
    name=st.text(),
    layers=st.integers(),
    packed=st.booleans(),
    optimizer=st.builds(
        Optimizer,
        peak=st.floats(allow_nan=False),
        clip=st.none() | st.floats(allow_nan=False),
        kind=st.sampled_from(["adafactor", "adam"]),
    ),
    image=st.tuples(st.integers(), st.integers()),
    mixture=st.lists(st.builds(Optimizer, warmup=st.integers()), max_size=3).map(tuple),
    weights=st.dictionaries(st.text(), st.floats(allow_nan=False), max_size=3),
)


@given(presets)
def test_json_round_trip(preset: Preset) -> None:
    assert config.from_dict(Preset, json.loads(json.dumps(config.to_dict(preset)))) == preset


def test_save_and_load(tmp_path: Path) -> None:
    preset = Preset("demo", mixture=(Optimizer(warmup=3),))
    config.save(preset, tmp_path / "config.json")
    assert config.load(Preset, tmp_path / "config.json") == preset


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "a", "layer": 3}, r"config\.layer: no such field in Preset; did you mean layers\?"),
        ({"name": "a", "zzz": 3}, r"config\.zzz: no such field in Preset; choose from name, layers"),
        ({"layers": 3}, r"config: missing field 'name' of Preset"),
        ({"name": "a", "layers": 2.5}, r"config\.layers: expected int, got 2\.5"),
        ({"name": "a", "layers": True}, r"config\.layers: expected int, got True"),
        ({"name": "a", "packed": 1}, r"config\.packed: expected bool, got 1"),
        ({"name": "a", "optimizer": 3}, r"config\.optimizer: expected the fields of Optimizer, got 3"),
        ({"name": "a", "optimizer": {"kind": "sgd"}}, r"config\.optimizer\.kind: 'sgd' is none of 'adafactor', 'adam'"),
        ({"name": "a", "optimizer": {"peak": 10**400}}, r"config\.optimizer\.peak: is beyond 1\.8e308"),
        ({"name": "a", "optimizer": {"clip": "x"}}, r"config\.optimizer\.clip: 'x' fits no alternative: .*float"),
        ({"name": "a", "image": [64]}, r"config\.image: expected 2 values, got 1"),
        ({"name": "a", "image": 64}, r"config\.image: expected a list, got 64"),
        ({"name": "a", "mixture": [{}, {"warmup": "x"}]}, r"config\.mixture\[1\]\.warmup: expected int, got 'x'"),
        ({"name": "a", "weights": {"p": "x"}}, r"config\.weights\['p'\]: expected float, got 'x'"),
    ],
)
def test_what_does_not_fit_is_named(values: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config.from_dict(Preset, values)


def test_an_int_stands_for_a_float() -> None:
    assert config.from_dict(Preset, {"name": "a", "optimizer": {"peak": 1}}).optimizer.peak == 1.0


def test_overrides() -> None:
    changed = config.apply_overrides(
        Preset("demo"), ["layers=4", "optimizer.peak=1e-3", "optimizer.clip=null", "name=other", "image=[96, 96]"]
    )
    assert changed == replace(Preset("other"), layers=4, image=(96, 96), optimizer=Optimizer(peak=1e-3, clip=None))


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("layers", "--set layers: write it as field=value"),
        ("layer=3", "--set layer=3: no field 'layer'; did you mean layers"),
        ("optimiser.peak=1", "--set optimiser.peak=1: no group 'optimiser'; did you mean optimizer"),
        ("name.first=1", "--set name.first=1: no group 'name'"),
        ("layers=many", "layers: expected int, got 'many'"),
        (f"layers={'9' * 5000}", "layers: expected int, got '999"),
    ],
)
def test_overrides_that_do_not_fit_are_named(assignment: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config.apply_overrides(Preset("demo"), [assignment])


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.json: no such file; is this a run directory"):
        config.load(Preset, tmp_path / "config.json")
    (tmp_path / "config.json").write_text('{"name": ')
    with pytest.raises(ConfigError, match=r"config\.json: not valid JSON .*restore the file"):
        config.load(Preset, tmp_path / "config.json")
    (tmp_path / "config.json").write_text('{"name": "a", "layrs": 1}')
    with pytest.raises(ConfigError, match=r"config\.json\.layrs: no such field"):
        config.load(Preset, tmp_path / "config.json")
    (tmp_path / "config.json").write_text("[" * 100_000)
    with pytest.raises(ConfigError, match=r"config\.json: not valid JSON .*recursion"):
        config.load(Preset, tmp_path / "config.json")
    (tmp_path / "config.json").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"config\.json: not valid JSON"):
        config.load(Preset, tmp_path / "config.json")
    with pytest.raises(ConfigError, match=r"config\.json/config\.json: cannot be read \(Not a directory\)"):
        config.load(Preset, tmp_path / "config.json" / "config.json")
    assert [p.name for p in tmp_path.iterdir()] == ["config.json"]
