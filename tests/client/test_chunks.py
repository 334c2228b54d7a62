"""The three ways to execute chunks, under simulated latency: what is sent, what is asked, how large the jumps are."""

import numpy as np
import pytest

from polymath_client import (
    Background,
    ChunkReplay,
    ClientError,
    Immediate,
    RealTimeChunking,
    Reconnected,
    Reply,
    ServerError,
    TemporalEnsembling,
)

from .robot import TICK, Clock, Late, W, Wanderer, play


def jumps(sent: list[np.ndarray | None]) -> np.ndarray:
    """|difference| of neighbouring actions, the ticks without one left out."""
    actions = np.stack([action for action in sent if action is not None])
    return np.abs(np.diff(actions, axis=0)).max(axis=1)


def test_replay_without_latency_by_hand() -> None:
    """Three actions of each chunk: 3.0 3.1 3.2, then the second chunk's."""
    clock, policy = Clock(), Wanderer()
    sent = play(ChunkReplay(Immediate(policy), execute=3), clock, 7)
    np.testing.assert_allclose(np.array(sent)[:, 0], [3.0, 3.1, 3.2, 6.0, 6.1, 6.2, 9.0], atol=1e-6)


def test_replay_in_the_background_takes_the_action_that_is_due() -> None:
    """Latency of two ticks: chunk 2 is asked after three actions and taken from its third on."""
    clock = Clock()
    inference = Late(Wanderer(), clock, 2 * TICK)
    sent = play(ChunkReplay(inference, execute=3), clock, 9)
    assert sent[:2] == [None, None]
    np.testing.assert_allclose(np.stack(sent[2:])[:, 0], [3.0, 3.1, 3.2, 3.3, 3.4, 6.2, 6.3], atol=1e-6)
    assert [len(request.executed) for request in inference.asked[1:]] == [3, 3]
    assert [request.reset for request in inference.asked] == [True, False, False]


def test_ensembling_by_hand() -> None:
    """Asked every tick; at tick 2 three chunks cover it: 3.2, 6.1, 9.0 with weights 1, exp(-0.5), exp(-1)."""
    clock = Clock()
    sent = play(TemporalEnsembling(Immediate(Wanderer()), decay=0.5), clock, 3)
    expected = np.average([3.2, 6.1, 9.0], weights=np.exp(-0.5 * np.arange(3)))
    np.testing.assert_allclose(sent[2], expected, atol=1e-5)


@pytest.mark.parametrize("late", [0, 1, 2, 3, 4])
def test_real_time_chunking_never_jumps(late: int) -> None:
    """Inside a chunk neighbours differ by 0.1; across chunks by no more, though every new chunk starts elsewhere."""
    clock = Clock()
    inference = Late(Wanderer(), clock, late * TICK)
    chunks = RealTimeChunking(inference, execute=4, most_committed=4)
    sent = play(chunks, clock, 60)
    assert all(action is not None for action in sent[late:])
    assert jumps(sent).max() <= 0.1 + 1e-5
    assert chunks.surprises == 0
    assert set(chunks.delays) == {late}
    naive = play(ChunkReplay(Late(Wanderer(), clock, late * TICK), execute=4), clock, 60)
    assert jumps(naive).max() > 2


def test_the_committed_actions_are_those_that_are_carried_out() -> None:
    clock = Clock()
    inference = Late(Wanderer(), clock, 3 * TICK)
    sent = [a for a in play(RealTimeChunking(inference, execute=3, most_committed=4), clock, 30) if a is not None]
    position = 0
    for request in inference.asked[1:-1]:  # of the last one not all is carried out yet
        position += len(request.executed)
        np.testing.assert_array_equal(request.committed, sent[position : position + len(request.committed)])
    assert [len(request.committed) for request in inference.asked[1:3]] == [4, 4], "before a delay is known: the most"


def test_latency_longer_than_a_chunk_stops_the_arm_and_goes_on_without_a_jump() -> None:
    clock = Clock()
    chunks = RealTimeChunking(Late(Wanderer(), clock, 2 * W * TICK), execute=4, most_committed=4)
    sent = play(chunks, clock, 120)
    assert sum(action is None for action in sent) > 40
    actions = [action for action in sent if action is not None]
    assert len(actions) > 20
    assert max(chunks.delays) == 4, "four actions were left to hand out, however long it took"
    assert jumps(sent).max() <= 0.1 + 1e-5


def test_a_delay_beyond_what_was_committed_is_counted() -> None:
    clock = Clock()
    inference = Late(Wanderer(), clock, TICK)
    chunks = RealTimeChunking(inference, execute=2, most_committed=1)
    play(chunks, clock, 20)
    assert chunks.surprises == 0
    inference.latency = 4 * TICK
    play(chunks, clock, 20)
    assert chunks.surprises > 0


@pytest.mark.parametrize("kind", ["replay", "real time", "ensembling"])
def test_after_a_reset_the_answer_under_way_is_thrown_away(kind: str) -> None:
    clock = Clock()
    inference = Late(Wanderer(), clock, 2 * TICK)
    chunks = {
        "replay": ChunkReplay(inference, 2),
        "real time": RealTimeChunking(inference, 2, 3),
        "ensembling": TemporalEnsembling(inference),
    }[kind]
    while not (inference.busy and len(inference.asked) > 1):
        play(chunks, clock, 1)
    chunks.reset()
    before = len(inference.asked)
    sent = play(chunks, clock, 6)
    first = inference.asked[before]
    assert first.reset
    assert first.executed is None
    assert first.committed is None
    np.testing.assert_allclose(next(a for a in sent if a is not None), 3.0 * (before + 1))  # of the new request


def test_a_robots_program_may_change_its_action_in_place() -> None:
    asked = []

    def infer(request):  # type: ignore[no-untyped-def]
        asked.append(request)
        return Wanderer()(request)

    chunks = ChunkReplay(Immediate(infer), execute=1)
    first = chunks.step({})
    assert first is not None
    first *= 1000.0  # to millimetres
    chunks.step({})
    np.testing.assert_array_equal(asked[1].executed, [[3.0, 3.0]])


def test_a_failure_of_what_was_asked_before_a_reset_costs_no_answer_after_it() -> None:
    clock, wanderer, failures = Clock(), Wanderer(), [ServerError("state: NaN")]

    class Fails(Late):
        def poll(self) -> Reply | None:
            reply = super().poll()
            if reply is not None and failures:
                raise failures.pop()
            return reply

    chunks = ChunkReplay(Fails(wanderer, clock, TICK), execute=2)
    assert play(chunks, clock, 1) == [None]
    chunks.reset()
    with pytest.raises(ServerError, match="state: NaN"):
        chunks.step({})
    sent = play(chunks, clock, 2)
    assert sent[0] is None
    np.testing.assert_allclose(sent[1], 6.0)  # of the second request, the first after the reset


def test_a_server_that_came_back_is_asked_anew() -> None:
    clock, policy = Clock(), Wanderer()
    gone = iter([False, True, False, False])

    class Comes(Late):
        def poll(self) -> Reply | None:
            reply = super().poll()
            if reply is not None and next(gone, False):
                raise Reconnected("ws://here: gone; connected again")
            return reply

    inference = Comes(policy, clock, 2 * TICK)
    chunks = RealTimeChunking(inference, execute=4, most_committed=4)
    sent = play(chunks, clock, 20)
    assert chunks.requests.reconnections == 1
    assert [request.reset for request in inference.asked[:4]] == [True, False, True, False]
    assert inference.asked[2].committed is not None, "the arm goes on with what is left of its chunk"
    assert jumps(sent).max() <= 0.1 + 1e-5


def test_a_refusal_reaches_the_control_loop_and_the_next_tick_asks_again() -> None:
    answers = iter([ServerError("state: NaN"), None])

    def infer(request) -> Reply:  # type: ignore[no-untyped-def]
        error = next(answers, None)
        if error is not None:
            raise error
        return Wanderer()(request)

    background = Background(infer)
    chunks = ChunkReplay(background, execute=2)
    seen: list[str] = []
    for _ in range(200_000):
        try:
            if chunks.step({}) is not None:
                break
        except ServerError as error:
            seen.append(str(error))
    assert seen == ["state: NaN"]
    background.close()
    assert not background._thread.is_alive()
    with pytest.raises(ClientError, match=r"closed|under way"):
        background.submit(None)  # type: ignore[arg-type]
        background.submit(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: ChunkReplay(Immediate(Wanderer()), execute=0), "execute: 0"),
        (lambda: RealTimeChunking(Immediate(Wanderer()), execute=0, most_committed=1), "execute: 0"),
        (lambda: RealTimeChunking(Immediate(Wanderer()), execute=1, most_committed=-1), "most_committed: -1"),
    ],
)
def test_settings_that_cannot_work(make, problem: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ClientError, match=problem):
        make()


def test_a_chunk_that_is_too_short_to_execute_is_told() -> None:
    """Else the arm would stand still without a word once the chunk is used up."""
    for chunks in (ChunkReplay(Immediate(Wanderer()), W + 1), RealTimeChunking(Immediate(Wanderer()), W + 1, 4)):
        with pytest.raises(ClientError, match=f"execute: {W + 1}, but a chunk has {W} actions"):
            chunks.step({})
