"""A turn tells what happened to it, however it ends."""

import asyncio

import pytest

from gateway.chat.codes import Code
from gateway.chat.errors import UpstreamRejected, UpstreamUnavailable
from gateway.chat.frames import Error
from gateway.chat.guard import Stop
from gateway.chat.persister import RETRY_SECONDS
from gateway.chat.records import Chunk, ContextSource, FinishReason
from gateway.chat.timeline import Attempt, AttemptResult, Ending, Timeline
from tests.builders import FINE, STOP, TRACE_ID, TRACEPARENT, USAGE, an_ask, rules
from tests.fakes import HANG, Step, hurry, idle, pass_time
from tests.stage import Stage, frames, stage


def told(s: Stage) -> Timeline:
    """Return the one timeline that was told."""
    (timeline,) = s.observer.timelines
    return timeline


async def test_answered_turn() -> None:
    """A turn tells when it got how far, who answered, and what that took."""
    gates = [asyncio.Event() for _ in range(3)]
    async with stage(["Revenue ", gates[0], "rose", gates[1], ".", gates[2], FINE[-1]]) as s:
        session = await s.enter()
        turn = s.service.handle_message(session, an_ask()).turn
        for gate, silence in zip(gates, (1, 3, 2), strict=True):
            await idle()
            s.clock.advance(silence)
            gate.set()
        await frames(turn)
        await idle()
        span_id = told(s).attempts[0].span_id
        assert told(s) == Timeline(
            turn_id=turn.id,
            trace_id=told(s).trace_id,
            model="sim-test",
            accepted=0,
            recalled=0,
            context=ContextSource.NONE,
            reserved=0,
            reserved_nano=told(s).reserved_nano,
            attempts=[Attempt(span_id=span_id, model="sim-test", began=0, result=AttemptResult.OK)],
            first_chunk=0,
            last_chunk=4,
            worst_gap=3,
            ended=6,
            ending=Ending.OK,
            pieces=3,
            usage=USAGE,
            cost_nano=18_000,
            saved=6,
        )


async def test_trace_is_that_of_the_answer() -> None:
    """The timeline is found by the trace a reader was told."""
    async with stage() as s:
        done = await s.end(await s.enter(), traceparent=TRACEPARENT)
        assert told(s).trace_id == done.trace_id == TRACE_ID


async def test_where_the_context_came_from() -> None:
    """A later question has its context from the cache, or from the database."""
    async with stage() as s:
        session = await s.enter()
        for _ in range(2):
            await s.ask(session)
        s.cache.kept.clear()
        await s.ask(session)
        assert [timeline.context for timeline in s.observer.timelines] == [
            "none",
            "cache",
            "database",
        ]


async def test_money_set_aside() -> None:
    """What was set aside is told, also for a turn that cost less."""
    async with stage() as s:
        await s.ask(await s.enter())
        (row,) = s.store.rows.values()
        assert told(s).reserved_nano == row.reserved > told(s).cost_nano


async def test_retry() -> None:
    """Each request is told with its model and what it came to."""
    scripts: list[list[Step]] = [[UpstreamUnavailable(retry_after=0, status=503)], list(FINE)]
    async with stage(*scripts, fallback_model="other", fallback_price=rules().price) as s:
        await s.ask(await s.enter())
        attempts = [(attempt.model, attempt.result) for attempt in told(s).attempts]
        assert attempts == [("sim-test", AttemptResult.SERVER_ERROR), ("other", AttemptResult.OK)]
        assert (told(s).retries, told(s).model) == (1, "other")


@pytest.mark.parametrize(
    ("script", "ending", "result"),
    [
        ([UpstreamRejected()], Ending.UPSTREAM_ERROR, AttemptResult.REJECTED),
        (["Revenue"], Ending.UPSTREAM_TRUNCATED, AttemptResult.STREAM_ERROR),
        (["Revenue", ValueError()], Ending.INTERNAL_ERROR, AttemptResult.INTERNAL_ERROR),
    ],
)
async def test_failed_turn(script: list[Step], ending: Ending, result: AttemptResult) -> None:
    """A turn that failed tells its code, and what its request came to."""
    async with stage(script) as s:
        error = await s.end(await s.enter())
        assert isinstance(error, Error)
        assert (told(s).code, told(s).ending) == (error.code, ending)
        assert told(s).attempts[0].result is result


async def test_cap_that_cut_off_is_not_the_upstreams() -> None:
    """Where a cap ended the answer the request itself was fine."""
    length = Chunk(finish_reason=FinishReason.LENGTH)
    async with stage(["Revenue", length], request_nano=50_000) as s:
        await s.ask(await s.enter())
        assert told(s).ending is Ending.COST_CAP
        assert told(s).attempts[0].result is AttemptResult.OK


@pytest.mark.parametrize(
    ("stop", "ending"),
    [
        (Stop.CANCELLED, Ending.CLIENT_CANCEL),
        (Stop.ABANDONED, Ending.GRACE_EXPIRED),
        (Stop.SHUTDOWN, Ending.SHUTDOWN),
    ],
)
async def test_stopped_turn(stop: Stop, ending: Ending) -> None:
    """A turn that was stopped tells why, and its request ended with it."""
    async with stage(["Revenue", HANG]) as s:
        session = await s.enter()
        turn = s.service.handle_message(session, an_ask()).turn
        await idle()
        assert session.active is not None
        assert session.active.timeline.inflight
        session.active.deadlines.stop(stop)
        await frames(turn)
        assert told(s).ending is ending
        assert told(s).attempts[0].result is AttemptResult.STOPPED


async def test_refused_turn() -> None:
    """A question that could not be stored is told with its code, and nothing else happened."""
    async with stage() as s:
        session = await s.enter()
        s.store.fail()
        await s.ask(session)
        assert (told(s).ending, told(s).code) == (Ending.STORAGE_ERROR, Code.STORAGE_UNAVAILABLE)
        assert (told(s).accepted, told(s).attempts) == (None, [])


async def test_question_asked_twice_is_one_turn() -> None:
    """The same question again is no turn of its own."""
    async with stage() as s:
        session, ask = await s.enter(), an_ask()
        for _ in range(2):
            await s.ask(session, ask)
        assert len(s.observer.timelines) == 1


async def test_saved_late() -> None:
    """While the end of a turn is not durable that is not said; once it is, the timeline says when."""
    gate = asyncio.Event()
    async with stage(["Revenue", gate, STOP]) as s:
        turn = s.service.handle_message(await s.enter(), an_ask()).turn
        await idle()
        s.store.fail()
        gate.set()
        await hurry(frames(turn))
        assert told(s).saved is None
        s.store.recover()
        s.clock.advance(5)
        await pass_time(RETRY_SECONDS)
        assert told(s).saved == 5


async def test_not_saved_at_all() -> None:
    """A turn whose end the store refused, or that was given up, was never saved."""
    gate = asyncio.Event()
    async with stage(["Revenue", gate, STOP]) as s:
        turn = s.service.handle_message(await s.enter(), an_ask()).turn
        await idle()
        s.store.fail()
        gate.set()
        await hurry(frames(turn))
        await hurry(s.service.close(seconds=0))
        await idle()
        assert told(s).saved is None


async def test_no_text() -> None:
    """Nothing that was said, and nothing that opens a session, is in a timeline."""
    async with stage(["a secret", STOP]) as s:
        await s.ask(await s.enter(), an_ask("another secret"))
        assert "secret" not in repr(told(s))
