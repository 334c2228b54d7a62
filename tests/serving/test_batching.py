"""Batching without a model: who shares a pass, who waits how long, whose error is whose."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymath.policy.session import Turn
from polymath.serving.batching import Batcher, Outcome
from polymath.serving.sessions import Overloaded
from polymath.types import ActionChunk

Work = Callable[[Batcher[str]], Coroutine[Any, Any, Any]]


def turn(number: int) -> Turn:
    """The number stands in the place of an observation."""
    return Turn(None, number)  # type: ignore[arg-type]


def answered(turns: Sequence[Turn]) -> list[ActionChunk]:
    return [ActionChunk(np.full((1, 1), each.observation)) for each in turns]  # type: ignore[arg-type]


def passes_of(
    work: Work,
    most: int = 4,
    in_use: Callable[[str], int] = lambda model: 100,
    patience: float = 0.05,
    share: Callable[[str, int], int] | None = None,
    slow: float = 0.0,
) -> tuple[Any, list[tuple[str, list[int]]]]:
    """What `work` returns, and each pass that was made: its model and its numbers. A negative number raises.

    A pass takes as many turns as it can hold unless `share` says how many; the first one takes `slow` seconds.
    """
    passes: list[tuple[str, list[int]]] = []

    def answer(model: str, turns: Sequence[Turn]) -> list[ActionChunk]:
        numbers: list[int] = [each.observation for each in turns]  # type: ignore[misc]
        passes.append((model, numbers))
        if len(passes) == 1:
            time.sleep(slow)
        if min(numbers) < 0:
            raise ValueError(f"{min(numbers)}")
        return answered(turns)

    async def run() -> Any:
        shared = share or (lambda model, waiting: min(most, waiting))
        batcher: Batcher[str] = Batcher(answer, lambda model: most, shared, in_use, patience)
        batcher.start()
        try:
            return await work(batcher)
        finally:
            await batcher.stop()

    return asyncio.run(run()), passes


def number_of(outcome: Outcome) -> int:
    return int(outcome.chunk.actions[0, 0])


def test_turns_that_wait_together_share_passes_of_at_most_so_many() -> None:
    async def work(batcher: Batcher[str]) -> list[Outcome]:
        return await asyncio.gather(*(batcher.ask("a", turn(i), 10) for i in range(10)))

    outcomes, passes = passes_of(work)
    assert [number_of(each) for each in outcomes] == list(range(10))
    assert [numbers for _, numbers in passes] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert [each.batch for each in outcomes] == [4] * 8 + [2] * 2


def test_a_turn_waits_no_longer_than_its_patience_and_not_at_all_where_nobody_else_may_ask() -> None:
    async def work(batcher: Batcher[str]) -> float:
        return (await batcher.ask("a", turn(0), 10)).queue

    queue, _ = passes_of(work, patience=0.3)
    assert 0.3 <= queue < 5
    queue, _ = passes_of(work, patience=30, in_use=lambda model: 1)
    assert queue < 5


def test_robots_that_the_last_pass_answered_can_share_the_next_one() -> None:
    """Two robots ask during the pass of a third, which asks again at once: their patience begins when the pass ends."""

    async def work(batcher: Batcher[str]) -> None:
        async def asks_twice() -> None:
            await batcher.ask("a", turn(0), 10)
            await batcher.ask("a", turn(0), 10)

        async def asks_during_the_pass(number: int) -> None:
            await asyncio.sleep(0.2)
            await batcher.ask("a", turn(number), 10)

        await asyncio.gather(asks_twice(), asks_during_the_pass(1), asks_during_the_pass(2))

    counts = iter([1])  # one robot is known before the first pass, three later
    _, passes = passes_of(work, in_use=lambda model: next(counts, 3), patience=0.5, slow=1.0)
    assert [sorted(numbers) for _, numbers in passes] == [[0], [0, 1, 2]]


def test_a_pass_takes_as_many_turns_as_its_model_shares() -> None:
    async def work(batcher: Batcher[str]) -> list[Outcome]:
        return await asyncio.gather(*(batcher.ask("a", turn(i), 10) for i in range(7)))

    _, passes = passes_of(work, 8, in_use=lambda model: 0, share=lambda model, waiting: 4 if waiting >= 4 else 1)
    assert [numbers for _, numbers in passes] == [[0, 1, 2, 3], [4], [5], [6]]


def test_a_model_that_is_asked_without_pause_does_not_starve_another() -> None:
    """Four robots of `a` ask again as soon as they are answered; the one of `b` is in the second pass at the latest."""

    async def work(batcher: Batcher[str]) -> None:
        async def busy(number: int) -> None:
            for _ in range(20):
                await batcher.ask("a", turn(number), 10)

        robots = [asyncio.create_task(busy(number)) for number in range(4)]
        await asyncio.sleep(0)
        await batcher.ask("b", turn(9), 10)
        await asyncio.gather(*robots)

    _, passes = passes_of(work, in_use=lambda model: 4 if model == "a" else 1)
    assert [model for model, _ in passes].index("b") <= 2


def test_only_the_culprit_of_a_pass_gets_the_error() -> None:
    async def work(batcher: Batcher[str]) -> list[Any]:
        return await asyncio.gather(*(batcher.ask("a", turn(i), 10) for i in (1, -2, 3)), return_exceptions=True)

    results, passes = passes_of(work, in_use=lambda model: 3)
    assert [number_of(results[0]), str(results[1]), number_of(results[2])] == [1, "-2", 3]
    assert passes[0] == ("a", [1, -2, 3])


def test_a_turn_whose_time_is_up_is_not_computed() -> None:
    release = threading.Event()

    def answer(model: str, turns: Sequence[Turn]) -> list[ActionChunk]:
        computed.extend(each.observation for each in turns)  # type: ignore[misc]
        release.wait(20)
        return answered(turns)

    computed: list[int] = []

    async def run() -> None:
        batcher: Batcher[str] = Batcher(answer, lambda model: 1, lambda model, waiting: 1, lambda model: 1, 0.0)
        batcher.start()
        first = asyncio.create_task(batcher.ask("a", turn(0), 20))
        await asyncio.sleep(0.05)
        with pytest.raises(Overloaded, match=r"no answer within 0\.1 s"):
            await batcher.ask("a", turn(1), 0.1)
        release.set()
        await first
        await batcher.ask("a", turn(2), 20)
        await batcher.stop()

    asyncio.run(run())
    assert computed == [0, 2]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(-3, 50)), min_size=1, max_size=20), st.integers(1, 5))
def test_each_turn_gets_its_own_answer(asked: list[tuple[str, int]], most: int) -> None:
    async def work(batcher: Batcher[str]) -> list[Any]:
        asks = (batcher.ask(model, turn(number), 10) for model, number in asked)
        return await asyncio.gather(*asks, return_exceptions=True)

    results, passes = passes_of(work, most=most, in_use=lambda model: 0)
    for (_, number), result in zip(asked, results, strict=True):
        assert (number_of(result) if number >= 0 else int(str(result))) == number
    assert max(len(numbers) for _, numbers in passes) <= most
