"""The rules of a chain, told after each step whether the subtask under way is solved."""

from calvin_worker.episode import SUBTASK_STEPS, Episode
from hypothesis import given
from hypothesis import strategies as st

CHAIN = ("open_drawer", "lift_red_block_table", "place_in_drawer", "close_drawer", "turn_on_led")


def test_a_solved_subtask_begins_the_next_and_counts() -> None:
    episode = Episode(CHAIN)
    outcome = episode.after_step(False)
    assert (outcome.part, outcome.score, outcome.measures) == (0, 0.0, {})
    outcome = episode.after_step(True)
    assert (outcome.part, outcome.score, outcome.success, outcome.done) == (1, 1.0, False, False)
    assert outcome.measures == {"open_drawer": 1.0}
    assert episode.subtask == "lift_red_block_table"


def test_every_subtask_has_360_steps_and_the_first_failure_ends_the_chain() -> None:
    episode = Episode(CHAIN)
    for _ in range(SUBTASK_STEPS - 1):
        assert not episode.after_step(False).done
    episode.after_step(True)  # solved at its last step
    for _ in range(SUBTASK_STEPS - 1):
        assert not episode.after_step(False).done
    outcome = episode.after_step(False)
    assert outcome.done
    assert not outcome.success
    assert outcome.score == 1.0
    assert outcome.measures == {"open_drawer": 1.0, "lift_red_block_table": 0.0}
    assert outcome.part == 1


def test_five_solved_subtasks_are_a_success() -> None:
    episode = Episode(CHAIN)
    outcomes = [episode.after_step(True) for _ in CHAIN]
    assert [outcome.done for outcome in outcomes] == [False] * 4 + [True]
    assert outcomes[-1].success
    assert outcomes[-1].score == 5.0
    assert outcomes[-1].part == 4
    assert outcomes[-1].measures == dict.fromkeys(CHAIN, 1.0)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=5))
def test_the_score_is_the_number_of_subtasks_solved_in_time_before_the_first_that_was_not(solved_at: list[int]) -> None:
    """solved_at[i]: the step at which subtask i would be solved, if it were given the time."""
    expected = next((i for i, steps in enumerate(solved_at) if steps > SUBTASK_STEPS), len(solved_at))
    episode = Episode(CHAIN[: len(solved_at)])
    steps, outcome = 0, None
    while not episode.done:
        steps += 1
        before = episode.part
        outcome = episode.after_step(steps == solved_at[before])
        steps = 0 if outcome.part != before else steps
    assert outcome is not None
    assert outcome.score == expected
    assert outcome.success == (expected == len(solved_at))
    assert list(outcome.measures.values()) == [1.0] * expected + [0.0] * (expected < len(solved_at))
