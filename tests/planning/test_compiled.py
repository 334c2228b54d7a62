"""What the compiler says, as errors with a remedy. The message with a list is XLA's of a v4 (its usual form)."""

import importlib.util
from types import SimpleNamespace
from typing import Any

import pytest

from polymath.errors import ConfigError
from polymath.planning import compiled, flops, roofline
from polymath.planning.request import Request, prepare
from polymath.presets import preset
from polymath.training.ahead import topology_devices

RECIPE, PLAN = prepare(preset("polymath_v_30b"), Request(images=4, remat="attention", accumulation=1))
LISTED = """RESOURCE_EXHAUSTED: Ran out of memory in memory space hbm. Used 41.74G of 30.75G hbm. Exceeded by 10.99G.

Program hbm requirement 41.22G:
    HLO temp         41.19G (24.2% utilization, 0.7% fragmentation (293.84M))

  Largest program allocations in hbm:

  1. Size: 16.00G
     Operator: op_name="jit(step)/while/body/dot_general" source_file="a.py" source_line=2
     Shape: f32[16384,262144]{1,0:T(8,128)}
     Unpadded size: 16.00G
     XLA label: %fusion.1 = f32[16384,262144]{1,0:T(8,128)} fusion(%a), kind=kLoop
     Allocation type: HLO temp
     ==========================

  2. Size: 9.62G
     Shape: bf16[44,16384,7168]{2,1,0:T(8,128)(2,1)}
     Allocation type: HLO temp
     ==========================

  3. Size: 570.00M
     Operator: op_name="jit(step)/log"
     Shape: f32[16384,8704]{1,0:T(8,128)}
     ==========================
"""


def test_out_of_memory_names_the_largest_tensors_and_a_remedy() -> None:
    error = compiled.explained(LISTED, PLAN)
    assert isinstance(error, compiled.OutOfMemory)
    assert "needs 41.74G of 30.75G on a v4 chip" in str(error)
    assert "16.00G f32[16384,262144] (dot_general); 9.62G bf16[44,16384,7168]; 570.00M f32[16384,8704] (log)" in str(
        error
    )
    assert "--remat full, --accumulation 2" in str(error)


def test_out_of_memory_without_a_list_falls_back_on_the_estimate() -> None:
    short = "RESOURCE_EXHAUSTED: Ran out of memory on HBM, memory required for HLO temporaries (96.39G) exceeds"
    message = str(compiled.explained(short, PLAN))
    assert "needs 96.39G" in message
    assert "activations (by the estimate)" in message


def test_another_complaint_of_libtpu_lists_what_it_knows() -> None:
    error = compiled.explained('INVALID_ARGUMENT: Topology layout "v4:3x5x7" is not divisible by 2x2x1', PLAN)
    assert isinstance(error, ConfigError)
    assert "libtpu compiles for v4:XxYxZ" in str(error)


def test_missing_libtpu_gives_the_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'polymath-v\[tpu\]'"):
        compiled.compile_for(RECIPE, PLAN)


def test_only_tpus_are_compiled_for() -> None:
    recipe, plan = prepare(preset("polymath_v_1b"), Request(topology="h100:8"))
    with pytest.raises(ConfigError, match="is no single slice of TPUs"):
        compiled.compile_for(recipe, plan)


@pytest.mark.parametrize(
    ("name", "wrap"),
    [
        ("v4:8x8x8", (True, True, True)),
        ("v4:2x2x1", (False, False, False)),
        ("v5p:4x4x6", (True, True, False)),
        ("v5e:16x16", (True, True, False)),
        ("v6e:8x16", (False, True, False)),
    ],
)
def test_what_libtpu_is_asked_for(name: str, wrap: tuple[bool, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """The rings of MaxText's `accelerator_to_spec_map`; libtpu wants three of them for a grid as well."""
    options_seen: dict[str, Any] = {}

    def described(topology: str, platform: str, **options: Any) -> SimpleNamespace:
        options_seen.update(options, topology=topology, platform=platform)
        return SimpleNamespace(devices=[])

    monkeypatch.setattr("jax.experimental.topologies.get_topology_desc", described)
    assert topology_devices(name) == []
    assert (options_seen["topology"], options_seen["platform"], options_seen["wrap"]) == (name, "tpu", wrap)
    assert ("chip_config_name" in options_seen) == name.startswith(("v4", "v5p"))


def test_a_program_that_computes_more_than_planned_takes_longer() -> None:
    efficiency, planned = roofline.EFFICIENCIES["middle"], flops.hardware(PLAN) // PLAN.topology.devices
    estimate = sum(time.compute for time in roofline.phase_times(PLAN, efficiency).values())
    assert compiled.computing(PLAN, efficiency, planned) == pytest.approx(estimate)
    assert compiled.computing(PLAN, efficiency, planned * 6 // 5) == pytest.approx(1.2 * estimate)
