"""The description of the benchmark, without its simulator."""

import sys
from dataclasses import replace

import pytest
from bridge_worker.tasks import START_STATES, TASKS
from bridge_worker.vulkan import environment

from polymath.benchmarks.bridge.benchmark import BENCHMARK, EGGPLANT, SIMULATOR
from polymath.benchmarks.bridge.published import PUBLISHED, REAL, SIMULATED
from polymath.benchmarks.registry import benchmark
from polymath.data.robots.embodiments import WIDOWX, check
from polymath.errors import ConfigError
from polymath.evaluation.benchmark import Plan

PLAN = Plan(python=sys.executable)


def test_it_is_found_by_its_name() -> None:
    assert benchmark("bridge") is BENCHMARK


def test_a_plan_that_names_nothing_is_the_official_protocol_without_the_eggplant() -> None:
    keys = BENCHMARK.episode_keys(PLAN)
    assert len(keys) == 3 * 24
    assert {key.seed for key in keys} == set(range(24))
    assert EGGPLANT not in {key.task for key in keys}


def test_the_worker_has_the_same_tasks() -> None:
    assert BENCHMARK.tasks == tuple(TASKS)
    assert BENCHMARK.seeds == range(START_STATES)


def test_the_robot_is_the_one_of_the_bridge_reader_with_its_first_camera() -> None:
    check(BENCHMARK.embodiment)
    assert replace(BENCHMARK.embodiment, cameras=WIDOWX.cameras, conventions=WIDOWX.conventions) == WIDOWX
    assert BENCHMARK.embodiment.cameras == ("image_0",)


def test_a_policy_of_two_views_may_ask_for_both() -> None:
    assert BENCHMARK.complete(replace(PLAN, cameras=WIDOWX.cameras)).cameras == ("image_0", "image_1")


def test_the_command_says_all_that_the_worker_needs() -> None:
    command = BENCHMARK.worker(BENCHMARK.complete(replace(PLAN, slots=2, image_size=64)))
    assert command.argv[:3] == [sys.executable, "-m", "bridge_worker"]
    options = " ".join(command.arguments)
    assert options == ("--image-size 64 --slots 2 --eggplant official --pictures official --scenes 0 --cameras image_0")
    assert command.path == (str(SIMULATOR),)


@pytest.mark.parametrize(
    ("name", "value", "choices"),
    [
        ("eggplant", "real", "choose from official, stand-in"),
        ("pictures", "small", "choose from official, half"),
        ("scenes", "-1", "choose a whole number of at least 0"),
    ],
)
def test_another_value_of_an_option_names_the_choices(name: str, value: str, choices: str) -> None:
    plan = BENCHMARK.complete(replace(PLAN, options={name: value}))
    with pytest.raises(ConfigError, match=f"{name}={value}: {choices}"):
        BENCHMARK.worker(plan)


def test_more_episodes_than_start_states_are_refused() -> None:
    with pytest.raises(ConfigError, match="1 to 24 episodes"):
        BENCHMARK.complete(replace(PLAN, episodes=25))


def test_published_rows_have_all_tasks_in_percent_and_a_source() -> None:
    for row in PUBLISHED:
        assert tuple(row.numbers) == BENCHMARK.tasks
        assert all(0 <= number <= 100 for number in row.numbers.values())
        assert row.source
    assert len({(row.method, row.setting) for row in PUBLISHED}) == len(PUBLISHED)


def test_the_published_averages_are_those_of_the_papers() -> None:
    # SpatialVLA's table: 1.1 (RT-1-X), 16.0 (Octo-base), 42.7 (SpatialVLA fine-tuned), 31.3 (RoboVLM fine-tuned)
    averages = {(row.method, row.setting.split(",")[0]): sum(row.numbers.values()) / 4 for row in PUBLISHED}
    assert averages["RT-1-X", "as released"] == pytest.approx(1.1, abs=0.06)
    assert averages["Octo-base", "as released"] == pytest.approx(16.0, abs=0.06)
    assert averages["SpatialVLA", "fine-tuned on Bridge"] == pytest.approx(42.7, abs=0.06)
    assert averages["RoboVLM", "fine-tuned on Bridge"] == pytest.approx(31.3, abs=0.06)


def test_the_simulated_rates_are_the_published_rows() -> None:
    for row in PUBLISHED[:3]:
        for task, rates in SIMULATED.items():
            assert 100 * rates[row.method] == pytest.approx(row.numbers[task], abs=0.06)
    assert {task: tuple(rates) for task, rates in REAL.items()} == {
        task: tuple(rates) for task, rates in SIMULATED.items()
    }


def test_software_vulkan_is_used_where_it_was_unpacked(tmp_path) -> None:
    assert environment(str(tmp_path)) is None
    driver = tmp_path / "root/usr/share/vulkan/icd.d/lvp_icd.x86_64.json"
    driver.parent.mkdir(parents=True)
    driver.write_text("{}")
    (tmp_path / "root/usr/lib/x86_64-linux-gnu").mkdir(parents=True)
    variables = environment(str(tmp_path))
    assert variables is not None
    assert variables["VK_DRIVER_FILES"] == str(driver)
    assert variables["LD_LIBRARY_PATH"].split(":")[0] == str(tmp_path / "root/usr/lib/x86_64-linux-gnu")
    assert variables["VK_LAYER_PATH"] == str(tmp_path / "layer")
