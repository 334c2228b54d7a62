"""Which episodes are held out: a share by name and seed, and no episode on both sides, be it there twice."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from polymath.data.formats.memory import MemoryEpisodes
from polymath.data.interface import EpisodeSet
from polymath.training.division import Division, divide, places
from polymath.training.held_out import Record, name_of, record_of
from polymath.types import Embodiment, Episode

ROBOT = Embodiment("arm", 0, ("front",), ("a",), ("b",), (), 10.0)


class Named:
    """A set of which only the names of its episodes are known."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def __len__(self) -> int:
        return len(self.names)

    def episode_name(self, place: int) -> str:
        return self.names[place]


class Called(MemoryEpisodes):
    """Episodes in memory under names of their own, as a reader of several recorders' files has them."""

    def __init__(self, names: list[str], contents: list[int]) -> None:
        super().__init__(ROBOT, [episode(content) for content in contents])
        self.names = names

    def episode_name(self, place: int) -> str:
        return self.names[place]


def episode(content: int) -> Episode:
    """Episodes of one `content` are copies of each other."""
    values = np.full((3, 1), content, np.float32)
    return Episode({"front": np.zeros((3, 8, 8, 3), np.uint8)}, values, values, "go", "go", "arm")


@given(st.integers(0, 60), st.floats(0.001, 0.999), st.integers(0, 5))
def test_the_share_is_kept_with_one_episode_at_least_on_either_side(count: int, share: float, seed: int) -> None:
    episodes = Named([f"episode {number}" for number in range(count)])
    kept = places(episodes, share, seed)  # type: ignore[arg-type]
    if count < 2:
        assert kept == []
    else:
        assert len(kept) == min(max(1, round(share * count)), count - 1)
        assert kept == sorted(set(kept))
        assert places(episodes, share, seed) == kept  # type: ignore[arg-type]


def test_the_choice_follows_the_names_and_the_seed_and_not_the_order() -> None:
    names = [f"episode {number}" for number in range(40)]
    chosen = {names[place] for place in places(Named(names), 0.1, 0)}  # type: ignore[arg-type]
    turned = names[::-1]
    assert chosen == {turned[place] for place in places(Named(turned), 0.1, 0)}  # type: ignore[arg-type]
    assert chosen != {names[place] for place in places(Named(names), 0.1, 1)}  # type: ignore[arg-type]


def test_a_share_of_zero_divides_nothing() -> None:
    episodes = MemoryEpisodes(ROBOT, [episode(0), episode(1)])
    (division,) = divide([episodes], 0.0, 0)
    assert (division.trained, division.held_out, division.kept) == (episodes, None, ())


def parts(division: Division) -> tuple[set[str], set[str]]:
    """The hashes that are trained on, and those that are held out."""
    kept = {division.hashes[place] for place in division.kept}
    return {value for place, value in enumerate(division.hashes) if place not in division.kept}, kept


NAMES = st.lists(st.sampled_from([f"episode {number}" for number in range(6)]), min_size=2, max_size=12)


@given(NAMES, st.floats(0.01, 0.9), st.integers(0, 3))
def test_episodes_of_one_name_are_each_recorded_and_on_one_side(names: list[str], share: float, seed: int) -> None:
    """Two shards that number their episodes from 0 have two of each name."""
    (division,) = divide([Called(names, list(range(len(names))))], share, seed)
    record = record_of("set", division)
    assert not set(record.trained) & set(record.held_out)
    assert {*record.trained, *record.held_out} == set(names)
    assert Record((record,)).trained() == parts(division)[0]
    assert len(Record((record,)).trained()) == len(names) - len(division.kept)
    assert bool(division.kept) == (len(set(names)) > 1)
    if division.kept:
        chosen = {name.removeprefix("episode ") for name in record.held_out}
        assert set(name_of(record).partition("episodes=")[2].split(",")) == chosen
        count = len(division.kept)
        (line,) = Record((record,)).lines()
        assert line.startswith(f"set: {count} of {len(names)} episodes held out")


CONTENTS = st.lists(st.integers(0, 12), min_size=2, max_size=12)


@given(st.lists(CONTENTS, min_size=1, max_size=3), st.floats(0.01, 0.9), st.integers(0, 3))
def test_no_copy_of_a_held_out_episode_is_trained_on(sets: list[list[int]], share: float, seed: int) -> None:
    """In its own set as in the others, as long as something is left of each to train on."""
    named = [Called([f"{number} {place}" for place in range(len(each))], each) for number, each in enumerate(sets)]
    divisions = divide(named, share, seed)
    held_out = set().union(*(parts(division)[1] for division in divisions))
    record = Record(tuple(record_of(str(number), division) for number, division in enumerate(divisions)))
    mixed = held_out & record.trained()
    assert bool(mixed) == any("trained on in a copy" in line for line in record.lines())
    for division in divisions:
        assert 0 < len(division.kept) < len(division.hashes)
        if parts(division)[0] & held_out:  # it is left whole: every episode of it is held out somewhere
            first = {each.hashes[place] for each in divisions for place in places(each.whole, share, seed)}
            assert set(division.hashes) <= first


def test_overlapping_choices_of_one_set_share_what_is_held_out() -> None:
    """`SET?episodes=0-9` beside `SET?episodes=5-14`: what one holds out, the other does not train on."""

    def chosen(first: int, last: int) -> EpisodeSet:
        numbers = list(range(first, last))
        return Called([f"episode {number}" for number in numbers], numbers)

    for seed in range(20):
        one, other = divide([chosen(0, 10), chosen(5, 15)], 0.2, seed)
        assert not (parts(one)[1] | parts(other)[1]) & (parts(one)[0] | parts(other)[0])


def test_a_record_of_an_earlier_version_is_the_same() -> None:
    """One hash for each name, as it was written before."""
    (division,) = divide([MemoryEpisodes(ROBOT, [episode(number) for number in range(4)])], 0.25, 0)
    record = record_of("set", division)
    assert all(len(value) == 16 for part in (record.trained, record.held_out) for value in part.values())
    assert Record((replace(record, trained={"episode 0": "a b"}),)).trained() == {"a", "b"}
