"""What may change in a run that has trained: how it is executed and how long, not what it learns."""

import os
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymath import config
from polymath.commands.runs import Change
from polymath.errors import CheckpointError, ConfigError
from polymath.presets import demo
from polymath.training.beginning import FILE, Beginning
from polymath.training.changes import KINDS, check_kinds, read, record, was_changed_at
from polymath.training.continuing import changes_of, check_continues, extension_notes, with_warmup_of
from polymath.training.recipe import Recipe
from polymath.training.run import save_tensors
from polymath.training.settings import with_settings

SCHEDULE = replace(demo.RECIPE.robot.optimizer, warmup_steps=100, cooldown_steps=1_000)
RECIPE = replace(demo.RECIPE, robot=replace(demo.RECIPE.robot, steps=2_000, optimizer=SCHEDULE))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A directory with the recipe and the bare name of a checkpoint, after 1,500 of 2,000 steps."""
    config.save(RECIPE, tmp_path / "config.json")
    (tmp_path / "checkpoints" / "robot" / "1500").mkdir(parents=True)
    return tmp_path


def changed(*fields: str) -> Recipe:
    return with_settings(RECIPE, fields)


@pytest.mark.parametrize(
    "field",
    [
        "robot.steps=4000",
        "robot.steps=1500",
        "robot.checkpoint_every=7",
        "robot.checkpoint_minutes=5",
        "robot.loss.tile=64",
        "execution.gradient_reduction=hops",
        "mesh.data=4",
        "robot.checkpoint_keep=9",
        "robot.log_every=1",
        "execution.micro_batches=2",
        "execution.remat=full",
        "alignment.steps=10",
    ],
)
def test_execution_and_length_may_change(run: Path, field: str) -> None:
    check_continues(RECIPE, with_warmup_of(changed(field), run), run)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("robot.rows=16", r"robot\.rows is 8 there, but 16 is asked for"),
        ("seed=3", "seed is 0 there"),
        ("execution.dtype=bfloat16", r"execution\.dtype is 'float32' there"),
        ("robot.optimizer.warmup_steps=7", r"robot\.optimizer\.warmup_steps is 100 there"),
        ("robot.optimizer.cooldown_steps=7", r"robot\.optimizer\.cooldown_steps is 1000 there"),
        ("robot.steps=999", r"at step 1500, beyond robot\.steps = 999; give at least 1500"),
    ],
)
def test_what_is_learned_may_not(run: Path, field: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_continues(RECIPE, with_warmup_of(changed(field), run), run)


DECLARED = [
    ("robot.optimizer.peak_learning_rate=1e-4", "learning-rate"),
    ("robot.optimizer.clip_norm=0.5", "clipping"),
    ("alignment.optimizer.spike_sigma=6", "spikes"),
    ("robot.optimizer.weight_decay=0.1", "weight-decay"),
    ("robot.loss.action=2", "loss"),
    ("augmentation.shift=1", "augmentation"),
    ("execution.dtype=bfloat16", "precision"),
]


@pytest.mark.parametrize(("field", "kind"), DECLARED)
def test_a_change_of_what_is_learned_is_made_where_it_is_declared(run: Path, field: str, kind: str) -> None:
    with pytest.raises(ConfigError, match=rf"{field.partition('=')[0]} is .* --allow {kind} makes that change and rec"):
        check_continues(RECIPE, changed(field), run)
    check_continues(RECIPE, changed(field), run, [kind])


def test_every_kind_of_change_is_tried_and_is_the_command_lines() -> None:
    assert [kind for _, kind in DECLARED] == list(KINDS) == list(get_args(Change))
    with pytest.raises(ConfigError, match="--allow learning: no such change; did you mean learning-rate"):
        check_kinds(["learning"])


def test_what_cannot_change_is_refused_whatever_is_declared(run: Path) -> None:
    for field in ("seed=3", "robot.rows=16", "model.decoder.rope_theta=7"):
        with pytest.raises(ConfigError, match="choose another run directory, or the same setting to resume"):
            check_continues(RECIPE, changed(field), run, list(KINDS))


def test_a_declared_change_is_recorded_with_its_step_and_once(run: Path) -> None:
    lower = changed("robot.optimizer.peak_learning_rate=1e-4", "augmentation.shift=1", "robot.log_every=3")
    record(changes_of(RECIPE, lower), run)
    record(changes_of(lower, lower), run)
    lines = read(run)
    assert [(line["field"], line["new"]) for line in lines] == [
        ("robot.optimizer.peak_learning_rate", 1e-4),
        ("augmentation.shift", 1),
    ]
    assert all((line["phase"], line["step"]) == ("robot", 1500) for line in lines)
    assert lines[0]["old"] == RECIPE.robot.optimizer.peak_learning_rate
    assert was_changed_at(run, "robot", 1500)
    assert not was_changed_at(run, "robot", 1499)
    assert not was_changed_at(run, "alignment", 1500)


def test_a_damaged_record_of_changes_is_one_line(run: Path) -> None:
    (run / "changes.jsonl").write_text("{")
    with pytest.raises(CheckpointError, match=r"changes\.jsonl: is damaged"):
        read(run)


def test_a_longer_run_keeps_its_warm_up(run: Path) -> None:
    """`--set robot.steps=4000` alone would make it 200: the first 1,500 steps were made with 100."""
    longer = with_warmup_of(changed("robot.steps=4000"), run)
    assert (longer.robot.optimizer.warmup_steps, longer.robot.optimizer.cooldown_steps) == (100, 2000)


@given(st.integers(2, 500), st.lists(st.integers(2, 5000), min_size=1, max_size=4))
def test_a_run_that_was_made_longer_goes_on_by_the_same_command(first: int, later: list[int]) -> None:
    """Each command names other steps and no warm-up, and each is given twice: the second one resumes."""
    with TemporaryDirectory() as place:
        out = Path(place)
        began = changed(f"robot.steps={first}")
        config.save(began, out / "config.json")
        config.save(Beginning(steps={"robot": first}), out / FILE)
        for steps in later:
            for _ in range(2):
                recipe = with_warmup_of(changed(f"robot.steps={steps}"), out)
                assert recipe.robot.optimizer.warmup_steps == began.robot.optimizer.warmup_steps
                check_continues(config.load(Recipe, out / "config.json"), recipe, out)
                config.save(recipe, out / "config.json")


def test_a_warm_up_that_is_set_is_another_one(run: Path) -> None:
    for fields in (("robot.optimizer.warmup_steps=101",), ("robot.steps=4000", "robot.optimizer.warmup_steps=300")):
        with pytest.raises(ConfigError, match=r"robot.optimizer\.warmup_steps is 100 there"):
            check_continues(RECIPE, with_warmup_of(changed(*fields), run), run)


def test_a_cool_down_that_was_run_is_told(run: Path) -> None:
    (note,) = extension_notes(RECIPE, changed("robot.steps=4000"), run)
    assert "1,500 of 2,000 steps were done, their cool-down included" in note
    assert not extension_notes(RECIPE, RECIPE, run)


def test_the_alignment_that_a_robot_phase_began_from_stays(run: Path) -> None:
    (run / "checkpoints" / "alignment" / "3300").mkdir(parents=True)
    with pytest.raises(ConfigError, match="its robot phase began from the alignment phase at step 3300"):
        check_continues(RECIPE, with_warmup_of(changed("alignment.steps=4000"), run), run)


def test_files_of_tensors_have_the_mode_of_the_umask(tmp_path: Path) -> None:
    former = os.umask(0o027)
    try:
        save_tensors(tmp_path / "a.safetensors", {"a": np.zeros(2, np.float32)})
    finally:
        os.umask(former)
    assert (tmp_path / "a.safetensors").stat().st_mode & 0o777 == 0o640
