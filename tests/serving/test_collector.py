"""The garbage collector rests while a server starts, and works when it has started or failed."""

import gc

import pytest

from polymath.serving.collector import paused_collector


def test_it_rests_until_the_start_is_over() -> None:
    with paused_collector() as go_on:
        assert not gc.isenabled()
        go_on()
        assert gc.isenabled()
        assert gc.get_freeze_count() > 0
    gc.unfreeze()
    assert gc.isenabled()


def test_it_works_after_a_start_that_failed() -> None:
    with pytest.raises(ValueError, match="no such run"), paused_collector():
        raise ValueError("no such run")
    assert gc.isenabled()


def test_one_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with paused_collector() as go_on:
            go_on()
        assert not gc.isenabled()
    finally:
        gc.unfreeze()
        gc.enable()
