"""When a training ends by itself, what it says then, and which checkpoint it leaves behind."""

from pathlib import Path

import jax
import pytest
from tests.training.toy_steps import NAN, fresh_state, phase, run

from polymath.errors import PolymathError
from polymath.training.checkpoint_choice import steps_in
from polymath.training.checkpoints import restore
from polymath.training.health import MOST_IN_A_ROW, MOST_RECENT, problem
from polymath.training.metrics import read_metrics

SPIKE = 1e3


def test_spikes_of_weeks_do_not_add_up(tmp_path: Path) -> None:
    """90,000 steps of which one in 500 is a spike: 180 in all, 2 of the last 1,000."""
    counts = {"recent_not_finite": 0, "not_finite_in_a_row": 0, "recent_spikes": 2, "spikes": 180, "skipped": 180}
    assert problem("alignment", phase(90_000, 1_000), 90_000, counts) is None


def test_the_limits_and_the_words_of_each_kind() -> None:
    healthy = {"recent_not_finite": MOST_RECENT, "not_finite_in_a_row": 1, "recent_spikes": MOST_RECENT}
    assert problem("robot", phase(9_000, 1_000), 5_000, healthy) is None
    not_finite = problem("robot", phase(9_000, 1_000), 5_000, healthy | {"recent_not_finite": MOST_RECENT + 1}) or ""
    assert "not finite in 101 of the last 1,000 steps" in not_finite
    in_a_row = problem("robot", phase(9_000, 1_000), 40, healthy | {"not_finite_in_a_row": MOST_IN_A_ROW}) or ""
    assert "of the last 40 steps, 20 in a row" in in_a_row
    spiky = problem("robot", phase(9_000, 1_000), 5_000, healthy | {"recent_spikes": MOST_RECENT + 1}) or ""
    assert "101 of the last 1,000 updates were skipped as spikes" in spiky
    assert "not finite" not in spiky
    assert all("\n" not in text for text in (not_finite, in_a_row, spiky))


def test_a_run_that_ends_itself_leaves_the_last_good_checkpoint_as_the_newest(tmp_path: Path) -> None:
    """From step 8 on nothing is finite; the interval of 5 would save steps 10, 15, 20 and 25."""
    settings = phase(100, 5)
    with pytest.raises(PolymathError, match=r"robot, step 27: .* 20 in a row"):
        run(tmp_path, settings, [1.0] * 7 + [NAN] * 60)
    directory = tmp_path / "checkpoints" / "robot"
    assert max(steps_in(directory)) == 5
    state = restore(directory, jax.eval_shape(fresh_state))
    run(tmp_path, settings, [1.0] * 95, state)  # of a restart with another learning rate
    assert max(steps_in(directory)) == 100


def test_an_interruption_among_steps_that_are_not_finite_saves_none_of_them(tmp_path: Path) -> None:
    def losses():  # type: ignore[no-untyped-def]
        yield from [1.0] * 7 + [NAN] * 4
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, phase(100, 5), losses())
    assert max(steps_in(tmp_path / "checkpoints" / "robot")) == 5


def test_a_checkpoint_that_was_due_at_a_bad_step_follows_after_the_next_good_one(tmp_path: Path) -> None:
    run(tmp_path, phase(13, 5), [1.0] * 9 + [NAN, NAN, 1.0, 1.0])
    assert steps_in(tmp_path / "checkpoints" / "robot") == [12, 13]


def test_the_last_step_is_saved_in_any_case(tmp_path: Path) -> None:
    run(tmp_path, phase(6, 5), [1.0] * 5 + [NAN])
    assert max(steps_in(tmp_path / "checkpoints" / "robot")) == 6


def test_both_kinds_stand_apart_in_the_curves(tmp_path: Path) -> None:
    run(tmp_path, phase(5, 5), [1.0, SPIKE, NAN, SPIKE, 1.0])
    last = read_metrics(tmp_path / "metrics.jsonl")[-1]
    assert (last["skipped"], last["spikes"], last["not_finite"]) == (3, 2, 1)
