"""Warm-up: every program that a request can need is compiled before the first one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import jax
import numpy as np
import pytest

from polymath.errors import ConfigError
from polymath.policy import Policy
from polymath.policy.session import Turn
from polymath.serving.limits import Limits
from polymath.serving.loading import instructions, warm_up

from .conftest import STRIDE, WINDOW, observation

TOKENS = 24


@contextmanager
def counted_compilations() -> Iterator[list[str]]:
    """The events of jax's compiler in this block, by jax.monitoring."""
    events: list[str] = []

    def listen(event: str, seconds: float, **more: object) -> None:
        if event.endswith("backend_compile_duration"):
            events.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield events


@pytest.mark.parametrize("name", ["plain", "streaming"])
def test_no_request_compiles_anything_after_the_warm_up(name: str, policies: dict[str, Policy]) -> None:
    """Instructions of every number of tokens, over more observations than a window holds, two sessions at once."""
    policy = policies[name]
    limits = Limits(tokens=TOKENS, sessions=2)
    warm_up(policy, (2,), limits, lambda: False)
    executed = np.zeros((STRIDE, 4), np.float32)
    with counted_compilations() as compiled:
        jax.jit(lambda x: x + 1)(np.float32(0))
    assert compiled, "a compilation is counted"
    with counted_compilations() as compiled:
        for tokens in range(1, TOKENS + 1):
            first, second = policy.open(), policy.open()
            text = "a" + " a" * (tokens - 1)
            assert len(policy.transform.instruction_ids(text)) <= TOKENS
            for step in range(WINDOW + 1 if policy.window > 1 else 1):
                seen = observation(step, text)
                more = executed if step else None
                policy.answer([Turn(first, seen, more), Turn(second, seen, more)], 2)
            first.close()
            second.close()
    assert compiled == []


def test_instructions_fill_every_padded_length(policies: dict[str, Policy]) -> None:
    lengths = {len(policies["plain"].transform.instruction_ids(text)) for text in instructions(policies["plain"], 64)}
    assert len(lengths) > 1
    assert max(lengths) <= 64


def test_a_warm_up_measures_each_size_of_pass(policies: dict[str, Policy]) -> None:
    seconds = warm_up(policies["plain"], (1, 2), Limits(tokens=4), lambda: False)
    assert list(seconds) == [1, 2]
    assert all(0 < each < 60 for each in seconds.values())


@pytest.mark.parametrize("name", ["plain", "streaming"])
def test_a_known_size_is_compiled_without_a_pass(
    name: str, policies: dict[str, Policy], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One pass lays out the memory; no other is run."""
    policy, passes = policies[name], []
    answer = policy.answer
    monkeypatch.setattr(policy, "answer", lambda turns, rows: passes.append(rows) or answer(turns, rows))
    assert warm_up(policy, (1, 3), Limits(tokens=4, sessions=2), lambda: False, {1: 0.5, 3: 0.25}) == {1: 0.5, 3: 0.25}
    assert passes == [1]
    with counted_compilations() as compiled:
        session = policy.open()
        answer([Turn(session, observation(0, "a"))], 3)
        session.close()
    assert compiled == []


def test_a_warm_up_that_is_stopped_ends(policies: dict[str, Policy]) -> None:
    assert warm_up(policies["plain"], (1,), Limits(), lambda: True) == {}


def test_more_sessions_than_a_policy_remembers_are_refused(policies: dict[str, Policy]) -> None:
    with pytest.raises(ConfigError, match="--sessions 257: model streaming remembers 256"):
        warm_up(policies["streaming"], (1,), Limits(sessions=257), lambda: False)


def test_a_window_that_leaves_no_room_for_words_is_refused(policies: dict[str, Policy]) -> None:
    run = policies["plain"].run
    layout = replace(run.recipe.layout, length=20)
    short = Policy(replace(run, recipe=replace(run.recipe, layout=layout)), policies["plain"].params, "short")
    with pytest.raises(ConfigError, match=r"layout\.length 20"):
        instructions(short, 8)
