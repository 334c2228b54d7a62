"""Which episodes of a run's raw sets are held out: those of the lowest hashes of name and seed.

The choice depends neither on the order of a set nor on the machine. Episodes of one name are on the same side, and so
are those of the same states and actions: a copy that is trained on would make its twin's error a trained one.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from polymath.data.formats.selection import SelectedEpisodes
from polymath.data.interface import EpisodeSet, episode_name


@dataclass(frozen=True)
class Division:
    """A set, the places of its held-out episodes in ascending order, and the hash of each of its episodes."""

    whole: EpisodeSet
    kept: tuple[int, ...]
    hashes: tuple[str, ...]

    @cached_property
    def trained(self) -> EpisodeSet:
        """The episodes that are trained on; the set itself where nothing is held out."""
        kept = set(self.kept)
        return _part(self.whole, [place for place in range(len(self.whole)) if place not in kept])

    @cached_property
    def held_out(self) -> EpisodeSet | None:
        """None where nothing is held out."""
        return _part(self.whole, self.kept) if self.kept else None


def divide(sets: Sequence[EpisodeSet], share: float, seed: int) -> list[Division]:
    """Divide the sets of one run.

    The held-out part of a set takes along the copies of what is held out of any set, unless nothing would be left.
    """
    hashes = [tuple(episode_hash(each, place) for place in range(len(each))) for each in sets]
    chosen = [places(each, share, seed) for each in sets]
    held_out = {own[place] for own, kept in zip(hashes, chosen, strict=True) for place in kept}
    divisions = []
    for each, own, kept in zip(sets, hashes, chosen, strict=True):
        with_copies = [place for place, value in enumerate(own) if value in held_out]
        divisions.append(Division(each, tuple(with_copies if len(with_copies) < len(each) else kept), own))
    return divisions


def places(episodes: EpisodeSet, share: float, seed: int) -> list[int]:
    """The places of the held-out episodes, in the order of the set; none of a set whose episodes have one name."""
    count = len(episodes)
    by_name: dict[str, list[int]] = {}
    for place in range(count):
        by_name.setdefault(episode_name(episodes, place), []).append(place)
    if not share or len(by_name) < 2:
        return []
    most = max(1, round(share * count))
    kept: list[int] = []
    order = sorted(by_name, key=lambda name: _rank(name, seed))
    for name in order[:-1]:
        if len(kept) >= most:
            break
        kept += by_name[name]
    return sorted(kept)


def episode_hash(episodes: EpisodeSet, place: int) -> str:
    """16 hexadecimal digits of an episode's states and actions, as float32 in the robot's units."""
    total = hashlib.blake2b(digest_size=8)
    for values in (episodes.states(place), episodes.actions(place)):
        array = np.ascontiguousarray(values, "<f4")
        total.update(repr(array.shape).encode())
        total.update(array.tobytes())
    return total.hexdigest()


def _rank(name: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed} {name}".encode(), digest_size=8).digest()


def _part(episodes: EpisodeSet, rows: Sequence[int]) -> EpisodeSet:
    if len(rows) == len(episodes):
        return episodes
    robot = episodes.embodiment
    return SelectedEpisodes(episodes, rows, range(len(robot.cameras)), robot)
