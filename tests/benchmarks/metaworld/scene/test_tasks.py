"""The task table; the nearest names come from difflib by the function under test, the expectations from the table."""

import pytest

from polymath.benchmarks.metaworld.scene.families import FAMILIES
from polymath.benchmarks.metaworld.scene.tasks import TASKS, task
from polymath.errors import ConfigError


def test_every_family_has_a_pair_of_tasks():
    for family in FAMILIES.values():
        pair = [t for t in TASKS.values() if t.family is family]
        assert len(pair) == 2
        assert {t.side for t in pair} == ({"left", "right"} if family.gap else {"only"})


def test_instructions_are_many_and_never_shared_by_two_tasks_of_a_family():
    for t in TASKS.values():
        assert len(set(t.instructions)) == len(t.instructions) >= 5
        twins = [other for other in TASKS.values() if other.family is t.family and other is not t]
        assert not any(set(t.instructions) & set(twin.instructions) for twin in twins)


def test_unknown_task_names_the_nearest():
    with pytest.raises(ConfigError, match="reach-left"):
        task("reech-left")
    with pytest.raises(ConfigError, match=r"choose from.*faucet-open"):
        task("zzz")
