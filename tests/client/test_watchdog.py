"""The watchdog and the commands between two actions, on a simulated clock."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polymath_client import ClientError, ContractError, Deltas, Targets, Watchdog

from .robot import Clock

A = np.array([0.1, -0.2, 1.0], np.float32)


def test_relative_motion_stops_with_zeros_and_the_gripper_stays() -> None:
    clock = Clock()
    dog = Watchdog("pose delta", 3, gripper_dims=[2], patience=0.5, clock=clock)
    np.testing.assert_array_equal(dog.filter(None), [0, 0, 0])
    np.testing.assert_array_equal(dog.filter(A), A)
    assert not dog.stopped
    clock.seconds += 0.6
    np.testing.assert_array_equal(dog.filter(None), [0, 0, 1])
    assert dog.stopped
    dog.filter(A)
    assert not dog.stopped


def test_absolute_motion_stops_at_the_last_target() -> None:
    dog = Watchdog("joints", 3, clock=Clock())
    assert dog.filter(None) is None
    np.testing.assert_array_equal(dog.filter(None, target=2 * A), 2 * A)
    dog.filter(A)
    np.testing.assert_array_equal(dog.filter(None, target=2 * A), A)
    dog.reset()
    assert dog.filter(None) is None


def test_the_last_target_is_the_watchdogs_own() -> None:
    dog, action = Watchdog("joints", 3, clock=Clock()), A.copy()
    dog.filter(action)[:] = 0
    np.testing.assert_array_equal(dog.filter(None), A)


def test_a_number_that_is_not_finite_never_reaches_the_arm() -> None:
    dog = Watchdog("pose delta", 3, clock=Clock())
    np.testing.assert_array_equal(dog.filter(np.array([np.nan, 0, 0])), [0, 0, 0])
    np.testing.assert_array_equal(dog.filter(np.array([np.inf, 0, 0])), [0, 0, 0])
    with pytest.raises(ClientError, match=r"shape \[2\], but the robot has \[3\]"):
        dog.filter(A[:2])


def test_a_clock_that_jumps_does_not_keep_the_arm_going() -> None:
    clock = Clock()
    dog = Watchdog("pose delta", 3, patience=0.5, clock=clock)
    dog.filter(A)
    clock.seconds += 0.4
    assert not dog.stopped
    clock.seconds -= 1000
    assert not dog.stopped
    clock.seconds += 1000.2
    assert dog.stopped
    clock.seconds -= 1000
    assert dog.stopped


def test_what_a_watchdog_refuses() -> None:
    with pytest.raises(ClientError, match="motion: 'velocity'; it is one of"):
        Watchdog("velocity", 3)
    with pytest.raises(ClientError, match="patience: 0"):
        Watchdog("joints", 3, patience=0)
    action = {"names": ["x"], "motion": None, "gripper_dims": []}
    with pytest.raises(ContractError, match="does not say"):
        Watchdog.of({"action": action})
    Watchdog.of({"action": {**action, "motion": "joints"}})


@given(cuts=st.lists(st.floats(0.0, 0.3), max_size=20), second=st.floats(0.02, 0.2))
@settings(deadline=None)
def test_deltas_add_up_whatever_the_times(cuts: list[float], second: float) -> None:
    """The first two dimensions over any ticks, a second action that comes early or late, and a last tick at the end."""
    deltas, total = Deltas(rate=10.0, held=[2]), np.zeros(2)
    deltas.add(0.0, A)
    for time in sorted(cut for cut in cuts if cut < second):
        total += deltas.until(time)[:2]
    deltas.add(second, 2 * A)
    for time in sorted([cut for cut in cuts if cut >= second] + [second + 0.1]):
        command = deltas.until(time)
        total += command[:2]
        assert command[2] == 2.0
    np.testing.assert_allclose(total, 3 * A[:2], atol=1e-6)


def test_targets_go_straight_to_the_next_one() -> None:
    targets = Targets(rate=10.0, held=[2], angles=[1])
    targets.add(0.0, np.array([0.0, 3.0, 0.0]))
    targets.add(0.1, np.array([1.0, -3.0, 1.0]))
    command = targets.at(0.15)
    np.testing.assert_allclose(command, [0.5, np.pi, 1.0], atol=1e-6)  # 3.0 to -3.0 rad the short way, over pi
    np.testing.assert_allclose(targets.at(5.0), [1.0, -3.0, 1.0])
    with pytest.raises(ClientError, match="is not after"):
        targets.add(0.1, A)
    with pytest.raises(ClientError, match="no action yet"):
        Deltas(10.0).until(0.0)
    with pytest.raises(ClientError, match="rate: 0"):
        Deltas(0)
    for time, action in ((np.nan, A), (0.3, np.full(3, np.nan))):
        with pytest.raises(ClientError, match=r"NaN or infinite|is no moment"):
            targets.add(time, action)
    with pytest.raises(ClientError, match="time: nan"):
        targets.at(np.nan)
    for use in (lambda: targets.at(None), lambda: Targets(10.0).add("now", A)):  # type: ignore[arg-type]
        with pytest.raises(ClientError, match=r"time: .* is no moment"):
            use()
