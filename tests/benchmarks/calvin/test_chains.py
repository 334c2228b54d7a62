"""The shipped chains. Drawing all of them anew by the official algorithm is `make calvin-chains`."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from polymath.benchmarks.calvin.chains import CHAINS, chains_per_state, draw, official, sentences, shuffled
from polymath.benchmarks.calvin.rules import CHAIN_LENGTH, KINDS, SUBTASKS, after, initial_states, is_chain

# Of the official `calvin_agent.evaluation.multistep_sequences.get_sequences(1000)` under numpy 2.4.
EXPECTED = {
    0: "rotate_blue_block_right move_slider_right lift_red_block_slider place_in_slider turn_off_lightbulb",
    1: "turn_off_led push_into_drawer lift_blue_block_drawer place_in_slider close_drawer",
    2: "lift_pink_block_slider place_in_slider open_drawer rotate_red_block_right lift_red_block_table",
    998: "move_slider_left turn_on_lightbulb open_drawer rotate_blue_block_right lift_blue_block_table",
    999: "move_slider_right turn_on_lightbulb push_pink_block_left open_drawer push_into_drawer",
}
QUICK = (0, 45, 108, 114, 117, 177)  # states whose chains are drawn in a tenth of a second or less
ORDER = shuffled([(state, number) for state, n in enumerate(chains_per_state()) for number in range(n)])


def test_there_are_a_thousand_chains_of_five_from_192_states() -> None:
    assert len(official()) == CHAINS
    assert {len(chain.subtasks) for chain in official()} == {CHAIN_LENGTH}
    assert Counter(chain.state for chain in official()) == dict(enumerate(chains_per_state()))


def test_every_chain_can_be_played_and_has_no_kind_twice() -> None:
    states = initial_states()
    assert all(is_chain(states[chain.state], chain.subtasks) for chain in official())


def test_order_and_subtasks_are_those_of_the_official_evaluation() -> None:
    assert {i: " ".join(official()[i].subtasks) for i in EXPECTED} == EXPECTED


def test_states_drawn_anew_give_the_shipped_chains() -> None:
    """Six of the 192 states, each chain in the place that the shuffle gives it."""
    for index in QUICK:
        drawn = draw(index, initial_states()[index], chains_per_state()[index])
        shipped = {number: official()[place].subtasks for place, (state, number) in enumerate(ORDER) if state == index}
        assert drawn == [shipped[number] for number in range(len(drawn))]


def test_tasks_occur_as_often_as_published() -> None:
    """Of 5,000 subtasks; counted in the `eval_sequences.json` that RoboFlamingo ships."""
    counts = Counter(subtask for chain in official() for subtask in chain.subtasks)
    expected = {"place_in_slider": 398, "open_drawer": 379, "move_slider_right": 317, "move_slider_left": 284}
    assert {name: counts[name] for name in expected} == expected
    assert set(counts) == set(SUBTASKS)


def test_subtasks_and_kinds_are_34_and_11() -> None:
    assert len(SUBTASKS) == 34
    assert len(set(KINDS.values())) == 11
    assert KINDS["rotate_red_block_left"] == KINDS["push_blue_block_right"]
    assert KINDS["move_slider_left"] != KINDS["push_blue_block_right"]
    assert KINDS["turn_on_led"] == KINDS["turn_off_lightbulb"]


@given(st.integers(0, 191), st.lists(st.sampled_from(sorted(SUBTASKS)), max_size=8))
def test_no_sequence_of_subtasks_loses_or_doubles_a_block(index: int, subtasks: list[str]) -> None:
    """Whatever is done, as many blocks are held as the state counts."""
    state = initial_states()[index]
    for subtask in subtasks:
        state = after(state, subtask) or state
        places = [state[colour] for colour in ("red", "blue", "pink")]
        assert places.count("grasped") == state["grasped"]


def test_sentences_are_one_for_each_subtask() -> None:
    """Of the official `new_playtable_validation.yaml`."""
    assert list(sentences()) == list(SUBTASKS)
    assert sentences()["lift_pink_block_drawer"] == "Take the pink block from the drawer"
    assert sentences()["push_into_drawer"] == "slide the block that it falls into the drawer"
    assert len(set(sentences().values())) == 34


def test_order_does_not_depend_on_numpys_global_state() -> None:
    np.random.seed(5)
    assert shuffled(list(range(20))) == shuffled(list(range(20)))
